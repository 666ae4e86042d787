package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// check is one probe of one run of the command. Any number of goroutines may
// ask for its outcome; they share the run that is in flight.
type check struct {
	kind   Kind
	spec   *Spec
	handle handler
	// run ends with the command.
	run context.Context
	log *slog.Logger
	// succeeded, if set, is called after each success, before anybody learns
	// of it.
	succeeded func()

	mu      sync.Mutex
	current *flight // nil: none
	healthy bool    // the last outcome, for the log alone
	warned  bool
}

// flight is one run of a probe.
type flight struct {
	over context.Context // done at its deadline, or when the command has ended
	done chan struct{}   // closed once err is set
	err  error
}

func newCheck(run context.Context, kind Kind, spec *Spec, handle handler, log *slog.Logger) *check {
	return &check{
		kind: kind, spec: spec, handle: handle, run: run,
		log: log.With("probe", kind.String()),
		// As the kubelet does, trust a command to be alive until it is seen not
		// to be; and so its very first failure is news.
		healthy: kind == Liveness,
	}
}

// outcome runs the probe, or joins the run in flight, and returns nil for a
// success and otherwise why it failed. It returns no later than the run's
// deadline, whatever the handler does.
func (c *check) outcome(ctx context.Context) error {
	// An exec probe must not be spawned while what the command has left behind
	// is being killed.
	if c.run.Err() != nil {
		return errEnded
	}
	f := c.join()
	select {
	case <-f.done:
		return f.err
	case <-f.over.Done():
		select {
		case <-f.done: // over because it is done
			return f.err
		default:
			return c.overdue(f)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *check) join() *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		// Not the context of the one who asked first: others may join.
		over, cancel := context.WithTimeout(c.run, c.spec.Timeout)
		c.current = &flight{over: over, done: make(chan struct{})}
		go c.fly(c.current, cancel)
	}
	return c.current
}

func (c *check) fly(f *flight, cancel context.CancelFunc) {
	defer cancel()
	warning, err := c.handle(f.over)
	switch {
	case f.over.Err() != nil: // a late success is none
		err = c.overdue(f)
	case err == nil && c.succeeded != nil:
		c.succeeded()
	}
	c.report(warning, err)

	c.mu.Lock()
	c.current = nil
	c.mu.Unlock()
	f.err = err
	close(f.done)
}

var errEnded = errors.New("the command has ended")

func (c *check) overdue(f *flight) error {
	if !errors.Is(f.over.Err(), context.DeadlineExceeded) {
		return errEnded
	}
	return fmt.Errorf("no answer within %s (timeoutSeconds)", c.spec.Timeout)
}

// report logs each change, because the kubelet's own events carry the status of
// our answer and not its text.
func (c *check) report(warning string, err error) {
	if c.run.Err() != nil {
		return // it fails because the command ends
	}
	c.mu.Lock()
	changed := c.healthy != (err == nil)
	c.healthy = err == nil
	warn := warning != "" && !c.warned
	c.warned = c.warned || warn
	c.mu.Unlock()
	if warn {
		c.log.Warn("probe passes with a warning", "warning", warning)
	}
	switch {
	case err != nil && changed:
		c.log.Warn("probe fails", "reason", err)
	case err != nil:
		c.log.Debug("probe still fails", "reason", err)
	case changed:
		c.log.Info("probe passes")
	}
}

// pause returns when d has passed, or false when ctx is done first.
func pause(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
