package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

// bench owns the API server and everything that runs against it. It belongs to
// the main goroutine.
type bench struct {
	settings  Settings
	server    *apiserver.Server
	namespace string
	folder    string
	self      string // this program
	recorder  string
	fleets    int // started so far
}

// measure prints the table of all tools, and returns an error if anything kept
// this project's own tool from being measured, or if it ever ran two children
// at once.
func measure(ctx context.Context, o options) (err error) {
	folder, err := os.MkdirTemp("", "k8s-await-election-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	b := &bench{settings: o.settings, folder: folder}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.recorder, err = recorder(ctx, o.recorder, folder); err != nil {
		return err
	}
	progress("starting an API server")
	if b.server, err = apiserver.Start(ctx, apiserver.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.Stop()) }()
	if b.namespace, err = makeNamespace(ctx, b.server); err != nil {
		return err
	}
	machine, err := describeMachine(b.server.Client().Discovery())
	if err != nil {
		return err
	}
	// A server that has just started has things of its own to do.
	if err := pause(ctx, b.settings.Settle); err != nil {
		return err
	}
	report := Report{Machine: machine, Settings: o.settings}
	for _, t := range o.tools {
		result, err := b.measureTool(ctx, t, o.only)
		if err != nil {
			return err
		}
		report.Results = append(report.Results, result)
	}
	report.print(os.Stdout)
	if o.json != "" {
		if err := report.save(o.json); err != nil {
			return err
		}
	}
	if o.svg != "" {
		if err := report.draw(o.svg); err != nil {
			return err
		}
	}
	if !o.ours {
		return nil
	}
	return report.Results[0].verdict()
}

// recorder returns the absolute path of the recorder, built if none is given.
func recorder(ctx context.Context, given, folder string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	path := filepath.Join(folder, "recorder")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", path, "github.com/k8s-await-election/k8s-await-election/e2e/cmd/recorder")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	build.Cancel = func() error { return build.Process.Signal(syscall.SIGTERM) }
	build.WaitDelay = 5 * time.Second
	if err := build.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("build the recorder: %w: run the benchmark in the folder e2e, or name a built one by -recorder", err)
	}
	return path, nil
}

// measureTool returns an error only if ctx has ended; what fails otherwise is
// in the result.
func (b *bench) measureTool(ctx context.Context, t tool, only []string) (*Result, error) {
	m := &measuring{ctx: ctx, only: only, result: &Result{Tool: t.name, Command: t.shown()}}
	s := b.settings
	m.each("size", "size", 1, func() (map[string]float64, error) { return size(t) })
	m.each("startup", "startup", s.Runs, func() (map[string]float64, error) { return b.start(ctx, t) })
	m.each("elected", "elected", s.Runs, func() (map[string]float64, error) { return b.elect(ctx, t) })
	m.all("idle", s.Idle.String()+" in which nothing happens", func() ([]map[string]float64, error) { return b.idle(ctx, t) })
	m.each("many", fmt.Sprintf("%d leaders at once", s.Leases), 1, func() (map[string]float64, error) { return b.many(ctx, t) })
	for _, size := range s.Crowds {
		m.all("crowd", fmt.Sprintf("a crowd of %d", size), func() ([]map[string]float64, error) { return b.crowd(ctx, t, size) })
	}
	for _, size := range s.Crowds {
		for _, k := range []kind{electors, naive} {
			if t.ours {
				m.all("electors", fmt.Sprintf("%d candidates in one process, %s", size, k.name), func() ([]map[string]float64, error) { return b.pass(ctx, k, size) })
			}
		}
	}
	for _, fault := range sidecarFaults {
		if t.ours {
			m.each("sidecar", fault.name, s.Runs, func() (map[string]float64, error) { return b.sidecarFault(ctx, t, fault) })
		}
	}
	for _, fault := range faults {
		m.each(fault.name, fault.name, s.Runs, func() (map[string]float64, error) { return b.fault(ctx, t, fault, s) })
		if s.Short > 0 {
			m.each(fault.name, fault.name+", lease "+s.Short.String(), s.Runs, func() (map[string]float64, error) {
				values, err := b.fault(ctx, t, fault, s.withLease(s.Short))
				return renamed(values), err
			})
		}
	}
	if t.ours {
		m.all("soak", s.Soak.String()+" of forced hand-overs", func() ([]map[string]float64, error) { return b.soak(ctx, t) })
	}
	return m.result, context.Cause(ctx)
}

// fault measures one run with a fleet of its own, which has the settings.
func (b *bench) fault(ctx context.Context, t tool, fault figure, settings Settings) (values map[string]float64, err error) {
	defer func(all Settings) { b.settings = all }(b.settings)
	b.settings = settings
	f, err := b.newFleet(ctx, t, replicas, finest, fault.proxied)
	defer func() {
		if err != nil && ctx.Err() == nil {
			progress("the replicas' last words:\n%s", f.logs())
		}
		err = errors.Join(err, f.stop())
	}()
	if err != nil {
		return nil, err
	}
	if values, err = fault.measure(b, ctx, f); err != nil {
		return nil, err
	}
	if _, itself := values[cutOverlap]; !itself {
		overlap, err := f.overlap()
		if err != nil {
			return nil, err
		}
		values[otherOverlap] = ms(overlap)
	}
	return values, nil
}

// progress goes to stderr: the table alone is the output.
func progress(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", arguments...)
}
