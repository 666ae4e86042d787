package status

import (
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMetrics_TellWhatHasHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // for the start time
		s := newServer(leading, Options{})
		m := s.options.Metrics
		for _, took := range []time.Duration{0, 5 * time.Millisecond, 6 * time.Millisecond, 300 * time.Millisecond, 10 * time.Second, 11 * time.Second} {
			m.Renewed(took)
		}
		m.RenewFailed("timeout")
		m.RenewFailed("timeout")
		m.RenewFailed("conflict")
		m.Acquired()
		m.Acquired()
		m.ChildStarted()
		m.ChildExited(0)
		m.ChildExited(137)
		m.ChildExited(137)

		code, header, body := ask(t, s, http.MethodGet, "/metrics")
		if code != http.StatusOK || header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("%d, content type %q", code, header.Get("Content-Type"))
		}
		got := parse(t, body)
		for series, want := range map[string]float64{
			`is_leader`:                                                          1,
			`lease_remaining_seconds`:                                            12.345,
			`transitions_total`:                                                  7,
			`acquisitions_total`:                                                 2,
			`renew_duration_seconds_bucket{le="0.005"}`:                          2, // a bound belongs to its bucket
			`renew_duration_seconds_bucket{le="0.01"}`:                           3,
			`renew_duration_seconds_bucket{le="0.25"}`:                           3,
			`renew_duration_seconds_bucket{le="0.5"}`:                            4,
			`renew_duration_seconds_bucket{le="10"}`:                             5,
			`renew_duration_seconds_bucket{le="+Inf"}`:                           6,
			`renew_duration_seconds_count`:                                       6,
			`renew_duration_seconds_sum`:                                         21.311,
			`renew_failures_total{reason="timeout"}`:                             2,
			`renew_failures_total{reason="conflict"}`:                            1,
			`child_starts_total`:                                                 1,
			`child_exits_total{code="0"}`:                                        1,
			`child_exits_total{code="137"}`:                                      2,
			`start_time_seconds`:                                                 946684800, // where a bubble's time begins
			`build_info{version="v1.2.3",goversion="` + runtime.Version() + `"}`: 1,
		} {
			if value, present := got["k8s_await_election_"+series]; !present || value != want {
				t.Errorf("%s is %v (present: %t); want %v", series, value, present, want)
			}
		}
	})
}

func TestMetrics_AreWellFormedBeforeAnythingHasHappened(t *testing.T) {
	t.Parallel()
	_, _, body := ask(t, newServer(Snapshot{}, Options{}), http.MethodGet, "/metrics")
	got := parse(t, body)
	if got["go_goroutines"] < 1 {
		t.Errorf("%v goroutines, though one asks", got["go_goroutines"])
	}
	for _, series := range []string{"is_leader", "lease_remaining_seconds", "transitions_total", "acquisitions_total", "child_starts_total", "renew_duration_seconds_count"} {
		if value, present := got["k8s_await_election_"+series]; !present || value != 0 {
			t.Errorf("%s is %v (present: %t); want 0", series, value, present)
		}
	}
}

func TestMetrics_ClaimNothingPastTheLease(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]Snapshot{
		"standing by": {ExpiresIn: time.Minute, Leader: "pod-a"},
		"expired":     expired,
		"long ago":    {Holding: true, ExpiresIn: -time.Minute},
	} {
		s := newServer(leading, Options{})
		ask(t, s, http.MethodGet, "/metrics")
		s.options.Source = &election{now: now}
		_, _, body := ask(t, s, http.MethodGet, "/metrics")
		got := parse(t, body)
		if got["k8s_await_election_is_leader"] != 0 || got["k8s_await_election_lease_remaining_seconds"] != 0 {
			t.Errorf("%s:\n%s", name, body)
		}
	}
}

func TestMetrics_EscapeLabels(t *testing.T) {
	t.Parallel()
	m := NewMetrics("a\"b\\c\nd\xff}")
	m.RenewFailed("x\"}\\\n")
	m.RenewFailed("")
	body := string(m.expose(func() Snapshot { return Snapshot{} }))
	parse(t, body)
	for _, want := range []string{
		`k8s_await_election_build_info{version="a\"b\\c\nd?}",goversion="`,
		`k8s_await_election_renew_failures_total{reason="x\"}\\\n"} 1`,
		`k8s_await_election_renew_failures_total{reason=""} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %s in\n%s", want, body)
		}
	}
}

var (
	comment = regexp.MustCompile(`^# (HELP|TYPE) ((?:k8s_await_election|go)_[a-z_]+) (.+)$`)
	sample  = regexp.MustCompile(`^((?:k8s_await_election|go)_[a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? ([-+0-9.e]+)$`)
)

// parse reads the text strictly: every family has HELP and TYPE, once and
// before its samples, no series comes twice, and a histogram's buckets rise.
func parse(t *testing.T, text string) map[string]float64 {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	series, kinds := map[string]float64{}, map[string]string{}
	family, bucket, bound := "", 0.0, 0.0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if match := comment.FindStringSubmatch(line); match != nil {
			name := match[2]
			switch {
			case match[1] == "HELP" && kinds[name] == "":
				family, bucket, bound, kinds[name] = name, 0, 0, "?"
			case match[1] == "TYPE" && kinds[name] == "?" && family == name:
				kinds[name] = match[3]
			default:
				t.Errorf("out of order: %s", line)
			}
			continue
		}
		match := sample.FindStringSubmatch(line)
		if match == nil {
			t.Errorf("not a line of the format: %q", line)
			continue
		}
		value, err := strconv.ParseFloat(match[3], 64)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if _, twice := series[match[1]+match[2]]; twice {
			t.Errorf("twice: %s", line)
		}
		series[match[1]+match[2]] = value
		rest, mine := strings.CutPrefix(match[1], family)
		switch kind := kinds[family]; {
		case !mine:
			t.Errorf("not in its family %s: %s", family, line)
		case kind == "gauge" && rest == "", kind == "counter" && rest == "" && strings.HasSuffix(family, "_total") && value >= 0:
		case kind == "histogram" && rest == "_bucket":
			var le string
			if _, err := fmt.Sscanf(match[2], "{le=%q}", &le); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			next, err := strconv.ParseFloat(le, 64)
			if err != nil || next <= bound || value < bucket {
				t.Errorf("does not rise: %s", line)
			}
			bound, bucket = next, value
		case kind == "histogram" && rest == "_count":
			if value != bucket || value != series[family+`_bucket{le="+Inf"}`] {
				t.Errorf("not the last bucket: %s", line)
			}
		case kind == "histogram" && rest == "_sum":
		default:
			t.Errorf("not of kind %q: %s", kind, line)
		}
	}
	return series
}
