package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	result := &Result{Tool: t.name, Command: t.shown()}
	one := func(name string, run int, measure func() (map[string]float64, error)) error {
		values, err := measure()
		if err == nil {
			progress("%s: %s, run %d: %s", t.name, name, run, describe(values))
			result.sample(values)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		progress("%s: %s, run %d came to nothing: %v", t.name, name, run, err)
		result.Failures = append(result.Failures, fmt.Sprintf("%s, run %d: %v", name, run, err))
		return nil
	}
	if slices.Contains(only, "size") {
		if err := one("size", 1, func() (map[string]float64, error) { return size(t) }); err != nil {
			return nil, err
		}
	}
	if slices.Contains(only, "startup") {
		for run := range b.settings.Runs {
			if err := one("startup", run+1, func() (map[string]float64, error) { return b.start(ctx, t) }); err != nil {
				return nil, err
			}
		}
	}
	if slices.Contains(only, "idle") {
		progress("%s: idle, %s in which nothing happens", t.name, b.settings.Idle)
		samples, err := b.idle(ctx, t)
		for _, values := range samples {
			result.sample(values)
		}
		if err := one("idle", 1, func() (map[string]float64, error) { return nil, err }); err != nil {
			return nil, err
		}
	}
	if slices.Contains(only, "many") {
		progress("%s: %d leaders at once", t.name, b.settings.Leases)
		if err := one("many", 1, func() (map[string]float64, error) { return b.many(ctx, t) }); err != nil {
			return nil, err
		}
	}
	if slices.Contains(only, "crowd") {
		for _, size := range b.settings.Crowds {
			progress("%s: a crowd of %d", t.name, size)
			samples, err := b.crowd(ctx, t, size)
			for _, values := range samples {
				result.sample(values)
			}
			if err := one("crowd", 1, func() (map[string]float64, error) { return nil, err }); err != nil {
				return nil, err
			}
		}
	}
	if t.ours && slices.Contains(only, "electors") {
		for _, size := range b.settings.Crowds {
			for _, k := range []kind{electors, naive} {
				progress("%s: %d candidates in one process, %s", t.name, size, k.name)
				samples, err := b.pass(ctx, k, size)
				for _, values := range samples {
					result.sample(values)
				}
				if err := one(k.name, 1, func() (map[string]float64, error) { return nil, err }); err != nil {
					return nil, err
				}
			}
		}
	}
	if t.ours && slices.Contains(only, "sidecar") {
		for _, fault := range sidecarFaults {
			for run := range b.settings.Runs {
				if err := one(fault.name, run+1, func() (map[string]float64, error) { return b.sidecarFault(ctx, t, fault) }); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, fault := range faults {
		if !slices.Contains(only, fault.name) {
			continue
		}
		for run := range b.settings.Runs {
			if err := one(fault.name, run+1, func() (map[string]float64, error) { return b.fault(ctx, t, fault) }); err != nil {
				return nil, err
			}
		}
	}
	return result, nil
}

// fault measures one run with a fleet of its own.
func (b *bench) fault(ctx context.Context, t tool, fault figure) (values map[string]float64, err error) {
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
	if values, err = fault.measure(ctx, f); err != nil {
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

// idle has two standbys in each fleet, so half as many fleets give a sample for
// every run.
func (b *bench) idle(ctx context.Context, t tool) (samples []map[string]float64, err error) {
	var fleets []*fleet
	defer func() {
		for _, f := range fleets {
			if err != nil && ctx.Err() == nil {
				progress("the replicas' last words:\n%s", f.logs())
			}
			err = errors.Join(err, f.stop())
		}
	}()
	for range (b.settings.Runs + 1) / 2 {
		f, err := b.newFleet(ctx, t, replicas, finest, false)
		fleets = append(fleets, f)
		if err != nil {
			return nil, err
		}
	}
	return idle(ctx, fleets)
}

// progress goes to stderr: the table alone is the output.
func progress(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", arguments...)
}
