package probe

import (
	"context"
	"time"
)

// eager is the first pause between two runs of a probe that has not passed yet;
// each is twice the one before, up to the probe's period. The first run is always
// too early, as it comes with the command's start; a command that needs 5 ms to
// open its port is to wait no longer than that for its traffic, and one that needs
// 300 ms not for a period, by default ten seconds. Nothing is counted before the
// first success that more runs could spoil.
const eager = 10 * time.Millisecond

// Watch watches the readiness of the command that has been started (it waits
// for Started), and calls changed for each change of it, first with true, until
// ctx ends. It runs the startup probe until that has passed, then, after
// initialDelaySeconds, the readiness probe at its own period, and counts
// successThreshold and failureThreshold. Without a readiness probe the command
// is ready once it has started up, and stays so.
//
// The end of the command changes nothing: what becomes of the traffic then is
// the gate's to decide. Watch calls changed from its own goroutine, and ends
// with ctx; one Watch serves one run of the command.
func (c *Checks) Watch(ctx context.Context, changed func(ready bool)) {
	r := c.await(ctx)
	if r == nil {
		return
	}
	if r.comesUp(ctx) {
		r.watch(ctx, changed)
	}
	<-ctx.Done()
}

// await returns the run of the command, or nil if ctx ends before there is one.
func (c *Checks) await(ctx context.Context) *run {
	for {
		r, started := c.state()
		if r != nil {
			return r
		}
		select {
		case <-started:
		case <-ctx.Done():
			return nil
		}
	}
}

// comesUp runs the startup probe until it has passed, here or for somebody who
// asked, and returns false if ctx or the command ends first.
func (r *run) comesUp(ctx context.Context) bool {
	if r.hasStartedUp() {
		return !r.hasEnded()
	}
	// A request may find out first.
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-r.up:
			cancel()
		case <-waiting.Done():
		}
	}()
	if pause(waiting, r.start.spec.InitialDelay-r.age()) {
		pace := pace{period: r.start.spec.Period}
		for !r.hasStartedUp() && !r.hasEnded() {
			began := time.Now()
			_ = r.start.outcome(waiting) // its success closes r.up
			if !pause(waiting, pace.next(false)-time.Since(began)) {
				break
			}
		}
	}
	return ctx.Err() == nil && !r.hasEnded()
}

// watch runs the readiness probe until ctx or the command ends.
func (r *run) watch(ctx context.Context, changed func(ready bool)) {
	if r.ready == nil {
		changed(true)
		return
	}
	spec := r.ready.spec
	if !pause(ctx, spec.InitialDelay-r.age()) {
		return
	}
	pace := pace{period: spec.Period}
	ready, passed, failed := false, 0, 0
	for {
		began := time.Now()
		err := r.ready.outcome(ctx)
		// A failure that either end has caused tells nothing.
		if ctx.Err() != nil || r.hasEnded() {
			return
		}
		if err == nil {
			passed, failed = passed+1, 0
		} else {
			passed, failed = 0, failed+1
		}
		if !ready && passed >= spec.SuccessThreshold || ready && failed >= spec.FailureThreshold {
			ready = !ready
			changed(ready)
		}
		if !pause(ctx, pace.next(err == nil)-time.Since(began)) {
			return
		}
	}
}

// pace tells the pauses between the starts of two runs.
type pace struct {
	period time.Duration
	last   time.Duration // zero: none yet
}

func (p *pace) next(passed bool) time.Duration {
	switch {
	case passed:
		p.last = p.period
	case p.last == 0:
		p.last = min(eager, p.period)
	case p.last < p.period:
		p.last = min(2*p.last, p.period)
	}
	return p.last
}
