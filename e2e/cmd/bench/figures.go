package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// figure is one thing that is done to a fleet, and what it leaves.
type figure struct {
	name    string
	proxied bool
	measure func(*bench, context.Context, *fleet) (map[string]float64, error)
}

// faults are measured on a new fleet for each run.
var faults = []figure{
	{name: "term", measure: onFleet(term)},
	{name: "child", measure: onFleet(killChild)},
	{name: "gate", measure: onFleet(killGate)},
	{name: "blackhole", proxied: true, measure: onFleet(blackhole)},
	{name: "outage", measure: (*bench).outage},
}

// onFleet is a fault that needs nothing but the fleet.
func onFleet(fault func(context.Context, *fleet) (map[string]float64, error)) func(*bench, context.Context, *fleet) (map[string]float64, error) {
	return func(_ *bench, ctx context.Context, f *fleet) (map[string]float64, error) { return fault(ctx, f) }
}

// term ends the leader's gate as a kubelet does.
func term(ctx context.Context, f *fleet) (map[string]float64, error) {
	old, gate, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	gate.signal(syscall.SIGTERM)
	kill := time.AfterFunc(grace, func() { gate.signal(syscall.SIGKILL) })
	defer kill.Stop()
	next, err := f.next(ctx, old)
	if err != nil {
		return nil, err
	}
	if old, err = f.gone(ctx, old); err != nil {
		return nil, err
	}
	values := map[string]float64{termGap: ms(next.Started - old.Last), termGraceful: 0}
	if old.Ended {
		values[termGraceful] = 1
	}
	return values, nil
}

// killChild kills the elected command and leaves its gate alone.
func killChild(ctx context.Context, f *fleet) (map[string]float64, error) {
	old, gate, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	child, err := hostPID(gate.gate.Process.Pid, old.PID)
	if err != nil {
		return nil, err
	}
	killed, err := record.Now()
	if err != nil {
		return nil, err
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("kill the child: %w", err)
	}
	next, err := f.next(ctx, old)
	if err != nil {
		return nil, err
	}
	return map[string]float64{childGap: ms(next.Started - killed)}, nil
}

// killGate kills process 1 of the leader's namespace, and with it the child.
func killGate(ctx context.Context, f *fleet) (map[string]float64, error) {
	old, gate, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	killed, err := record.Now()
	if err != nil {
		return nil, err
	}
	gate.signal(syscall.SIGKILL)
	next, err := f.next(ctx, old)
	if err != nil {
		return nil, err
	}
	expiry, err := f.expiry(gate.user)
	if err != nil {
		return nil, err
	}
	return map[string]float64{gateBeyond: ms(next.Started - expiry), gateGap: ms(next.Started - killed)}, nil
}

// blackhole lets nothing through any more between the leader's gate and the API
// server, and closes nothing.
func blackhole(ctx context.Context, f *fleet) (map[string]float64, error) {
	old, gate, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	cut, err := record.Now()
	if err != nil {
		return nil, err
	}
	gate.proxy.BlackHole()
	next, err := f.next(ctx, old)
	if err != nil {
		return nil, err
	}
	if old, err = f.gone(ctx, old); err != nil {
		return nil, err
	}
	expiry, err := f.expiry(gate.user)
	if err != nil {
		return nil, err
	}
	overlap, err := f.overlap()
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		cutOverlap: ms(overlap),
		cutBeyond:  ms(next.Started - expiry),
		cutOldEnd:  ms(old.Last - cut),
	}, nil
}

// size looks at the program of the command line.
func size(t tool) (map[string]float64, error) {
	path, err := exec.LookPath(t.template[0])
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{binarySize: float64(info.Size()), binarySymbol: 0}
	program, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("size of %s: %w", path, err)
	}
	if program.Section(".symtab") != nil || program.Section(".debug_info") != nil || program.Section(".zdebug_info") != nil {
		values[binarySymbol] = 1
	}
	return values, program.Close()
}

// start compares a child that is started with the election off with a child
// that is started by itself.
func (b *bench) start(ctx context.Context, t tool) (map[string]float64, error) {
	bare, err := b.startOnce(ctx, func(child []string) ([]string, error) { return child, nil })
	if err != nil {
		return nil, err
	}
	wrapped, err := b.startOnce(ctx, func(child []string) ([]string, error) { return t.command(scene{child: child}) })
	if err != nil {
		return nil, err
	}
	return map[string]float64{startup: ms(wrapped - bare)}, nil
}

// startOnce is the time from fork to the first line of the child.
func (b *bench) startOnce(ctx context.Context, wrap func([]string) ([]string, error)) (_ time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("with the election off the child is not simply run"))
	defer cancel()
	folder, err := os.MkdirTemp(b.folder, "start-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	runs := filepath.Join(folder, "runs")
	command, err := wrap([]string{b.recorder, "-file", runs, "-once"})
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	before, err := record.Now()
	if err != nil {
		return 0, err
	}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, fmt.Errorf("start the child with the election off: %w", err)
	}
	started, err := record.Read(runs)
	if err != nil {
		return 0, err
	}
	if len(started) != 1 {
		return 0, fmt.Errorf("with the election off the child was started %d times", len(started))
	}
	return started[0].Started - before, nil
}
