package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const (
	// refresh is how often the demo looks, for the eye alone: what it measures
	// is in the record.
	refresh = 100 * time.Millisecond
	// patience is how long anything may take before the demo calls it broken.
	patience = 30 * time.Second
	// silent is how long a server may write nothing and still count as running
	// in the table.
	silent = 500 * time.Millisecond
)

// demo owns the replicas. All its methods belong to the main goroutine.
type demo struct {
	options  options
	screen   *screen
	record   *record.Reader // of what the servers write about themselves
	replicas []*replica
	client   *http.Client
	url      string
}

func newDemo(o options, folder string, screen *screen) *demo {
	runs := filepath.Join(folder, "runs")
	d := &demo{
		options: o,
		screen:  screen,
		record:  record.NewReader(runs),
		client:  &http.Client{Timeout: refresh, Transport: &http.Transport{DisableKeepAlives: true}},
		url:     fmt.Sprintf("http://127.0.0.1:%d/", o.port),
	}
	for _, name := range []string{"a", "b", "c"} {
		d.replicas = append(d.replicas, newReplica(o, folder, runs, name))
	}
	return d
}

func (d *demo) replica(name string) *replica {
	for _, r := range d.replicas {
		if r.name == name {
			return r
		}
	}
	return nil
}

// until shows the present state until done says so. It gives up after patience,
// or when ctx ends.
func (d *demo) until(ctx context.Context, what string, done func([]record.Run) bool) error {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		runs, err := d.record.Runs()
		if err != nil {
			return err
		}
		d.show(ctx, runs)
		if done(runs) {
			return nil
		}
		if !slices.ContainsFunc(d.replicas, (*replica).running) {
			return fmt.Errorf("%s: all replicas have ended", what)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return fmt.Errorf("%s: not within %s", what, patience)
		case <-tick.C:
		}
	}
}

// look shows the present state for as long as the user is given to look at it.
func (d *demo) look(ctx context.Context) error {
	end := time.Now().Add(d.options.pause)
	return d.until(ctx, "wait", func([]record.Run) bool { return time.Now().After(end) })
}

func (d *demo) show(ctx context.Context, runs []record.Run) {
	now, err := record.Now()
	if err != nil {
		return
	}
	s := state{url: d.url, answer: d.ask(ctx)}
	for _, r := range d.replicas {
		line := row{replica: r.name, gate: r.pid(), what: "stands by"}
		if !r.running() {
			line.what = "gone (" + r.fate() + ")"
		}
		if n := len(runs); n > 0 {
			if last := runs[n-1]; last.Name == r.name && !last.Ended && now-last.Last < silent {
				line.what, line.leads, line.since, line.token = "leads", true, now-last.Started, last.Token
			}
		}
		s.rows = append(s.rows, line)
	}
	d.screen.show(s)
}

// ask is what a client gets from the one port that all replicas share; empty if
// nobody answers.
func (d *demo) ask(ctx context.Context) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return ""
	}
	answer, err := d.client.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1024))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// stop ends all that was started: the standbys first, so that nobody takes over
// at the end, by TERM and, where that does not help, by KILL.
func (d *demo) stop() error {
	runs, err := d.record.Runs()
	leader := ""
	if n := len(runs); n > 0 {
		leader = runs[n-1].Name
	}
	var standbys, last []*replica
	for _, r := range d.replicas {
		if r.name == leader {
			last = append(last, r)
		} else {
			standbys = append(standbys, r)
		}
	}
	return errors.Join(err, end(standbys), end(last), d.endServers())
}

func end(replicas []*replica) error {
	var stubborn []error
	for _, r := range replicas {
		r.signal(syscall.SIGTERM)
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for _, r := range replicas {
		if !r.running() {
			continue
		}
		select {
		case <-r.ended:
		case <-late.C:
			late.Reset(0) // the others have had the same time
			stubborn = append(stubborn, fmt.Errorf("replica %s did not end on TERM and was killed", r.name))
			r.signal(syscall.SIGKILL)
			<-r.ended
		}
	}
	return errors.Join(stubborn...)
}

// endServers kills the servers that have survived their gates. There should be
// none; the executable tells them from others that have got their numbers.
func (d *demo) endServers() error {
	runs, err := d.record.Runs()
	if err != nil {
		return err
	}
	var survivors []error
	for _, r := range runs {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.PID)); err == nil && exe == d.options.server {
			survivors = append(survivors, fmt.Errorf("server %s survived its gate and was killed", r))
			_ = syscall.Kill(r.PID, syscall.SIGKILL)
		}
	}
	return errors.Join(survivors...)
}

// printLogs shows the end of each replica's log.
func (d *demo) printLogs(out io.Writer) {
	const lines = 20
	for _, r := range d.replicas {
		text, err := os.ReadFile(r.logPath)
		if err != nil {
			continue
		}
		log := strings.Split(strings.TrimSpace(string(text)), "\n")
		log = log[max(0, len(log)-lines):]
		_, _ = fmt.Fprintf(out, "\nlog of replica %s:\n%s\n", r.name, strings.Join(log, "\n"))
	}
}
