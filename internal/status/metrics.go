package status

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const prefix = "k8s_await_election_"

// Metrics counts what happens in this process, for /metrics. All methods may be
// called from any goroutine and return at once.
type Metrics struct {
	families []*family

	leader, remaining, transitions *metrics.Gauge
	goroutines                     *metrics.Gauge
	acquisitions, starts           *metrics.Counter
	renewals                       *histogram
	failures, exits                *family

	exposing sync.Mutex // the gauges are set anew for each exposition
}

// family is all series of one name. Each has a set of its own, because the
// library's help lines are empty, and switched on for the whole process.
type family struct {
	name, kind, help string
	set              *metrics.Set
}

// NewMetrics makes the metrics of this process, which has the given version and
// starts now.
func NewMetrics(version string) *Metrics {
	m := &Metrics{}
	foreign := func(name, kind, help string) *family {
		f := &family{name: name, kind: kind, help: help, set: metrics.NewSet()}
		m.families = append(m.families, f)
		return f
	}
	add := func(name, kind, help string) *family { return foreign(prefix+name, kind, help) }
	gauge := func(name, help string) *metrics.Gauge {
		f := add(name, "gauge", help)
		return f.set.NewGauge(f.name, nil)
	}
	counter := func(name, help string) *metrics.Counter {
		f := add(name, "counter", help)
		return f.set.NewCounter(f.name)
	}

	m.leader = gauge("is_leader", "1 while this process leads and its lease is valid, otherwise 0.")
	m.remaining = gauge("lease_remaining_seconds", "How long the lease of this process is still valid, 0 where it does not lead.")
	f := add("transitions_total", "counter", "Changes of holder that the record of the lock counts.")
	m.transitions = f.set.NewGauge(f.name, nil)
	m.acquisitions = counter("acquisitions_total", "How often this process has acquired the lock.")
	f = add("renew_duration_seconds", "histogram", "How long successful renewals of the lease took.")
	m.renewals = newHistogram(f.name)
	f.set.RegisterMetricsWriter(m.renewals.write)
	m.failures = add("renew_failures_total", "counter", "Failed attempts to renew the lease, by reason.")
	m.starts = counter("child_starts_total", "How often this process has started the command.")
	m.exits = add("child_exits_total", "counter", "Ends of the command, by exit code (128+n for signal n).")

	f = add("build_info", "gauge", "1, with the version of this program and of Go.")
	f.set.NewGauge(f.labelled("version", version, "goversion", runtime.Version()), nil).Set(1)
	// By the name that dashboards for programs in Go look for. Memory, descriptors
	// and threads can be seen from outside, these cannot.
	f = foreign("go_goroutines", "gauge", "Goroutines that exist at present.")
	m.goroutines = f.set.NewGauge(f.name, nil)
	gauge("start_time_seconds", "When this process started, in seconds since 1970.").Set(float64(time.Now().UnixMilli()) / 1000)
	return m
}

// Renewed counts a renewal that succeeded, and how long it took.
func (m *Metrics) Renewed(took time.Duration) { m.renewals.observe(took.Seconds()) }

// RenewFailed counts an attempt to renew that failed. The reason is one of a
// few fixed words, for each makes a series of its own.
func (m *Metrics) RenewFailed(reason string) { m.failures.count("reason", reason) }

// Acquired counts an acquisition of the lock.
func (m *Metrics) Acquired() { m.acquisitions.Inc() }

// ChildStarted counts a start of the command.
func (m *Metrics) ChildStarted() { m.starts.Inc() }

// ChildExited counts an end of the command with the given code.
func (m *Metrics) ChildExited(code int) { m.exits.count("code", strconv.Itoa(code)) }

func (f *family) count(label, value string) {
	f.set.GetOrCreateCounter(f.labelled(label, value)).Inc()
}

// labelled is the name of a series, with pairs of label and value.
func (f *family) labelled(pairs ...string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var labels []string
	for i := 0; i < len(pairs); i += 2 {
		labels = append(labels, fmt.Sprintf(`%s="%s"`, pairs[i], escape.Replace(strings.ToValidUTF8(pairs[i+1], "?"))))
	}
	return f.name + "{" + strings.Join(labels, ",") + "}"
}

// expose writes all metrics in Prometheus' text format 0.0.4. It looks at the
// election when its turn has come, so that waiting makes no claim old.
func (m *Metrics) expose(look func() Snapshot) []byte {
	m.exposing.Lock()
	defer m.exposing.Unlock()
	now := look()
	m.leader.Set(0)
	m.remaining.Set(0)
	if now.leads() {
		m.leader.Set(1)
		m.remaining.Set(now.ExpiresIn.Truncate(time.Millisecond).Seconds())
	}
	m.transitions.Set(float64(now.Transitions))
	m.goroutines.Set(float64(runtime.NumGoroutine()))

	var text bytes.Buffer
	for _, f := range m.families {
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		f.set.WritePrometheus(&text)
	}
	return text.Bytes()
}
