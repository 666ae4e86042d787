package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options are what the probes of a command need.
type Options struct {
	// Liveness, Readiness and Startup are the probes. Nil: there is none.
	Liveness  *Spec
	Readiness *Spec
	Startup   *Spec
	// Host is where probes that name none connect to: the Pod's IP. Empty:
	// 127.0.0.1.
	Host string
	// Version is the program's, for the User-Agent.
	Version string
	// Run runs exec probes. May be nil where there are none.
	Run Runner
	// Environ is the environment in which Run runs them, as os.Environ has it;
	// their commands may refer to its variables.
	Environ []string
	// Logger is told each change of an outcome.
	Logger *slog.Logger
}

// Checks answers for the command: is it alive, ready, started up? All methods
// may be called from any goroutine, at any time, at the same time.
type Checks struct {
	log      *slog.Logger
	handlers [3]handler // by Kind; nil: no such probe
	specs    [3]*Spec

	mu      sync.Mutex
	current *run          // nil: the command does not run
	started chan struct{} // closed by Started, made anew by Stopped
}

// run is one run of the command.
type run struct {
	began time.Time
	ctx   context.Context // ends with the command
	end   context.CancelFunc

	live  *check // nil: no such probe
	ready *check
	start *check
	// up is closed when the startup probe has passed, or at once where there
	// is none.
	up chan struct{}
}

// New makes the checks of a command that does not run yet. The error names a
// probe that cannot be run.
func New(o Options) (*Checks, error) {
	c := &Checks{log: o.Logger, started: make(chan struct{})}
	for kind, spec := range map[Kind]*Spec{Liveness: o.Liveness, Readiness: o.Readiness, Startup: o.Startup} {
		if spec == nil {
			continue
		}
		handle, err := newHandler(kind, spec, o)
		if err != nil {
			return nil, err
		}
		c.specs[kind], c.handlers[kind] = spec, handle
	}
	return c, nil
}

// Started says that the command has just been started. All delays count from
// now. Call it before the Watch of the same run.
func (c *Checks) Started() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.end()
	} else {
		close(c.started)
	}
	c.current = c.newRun()
}

func (c *Checks) newRun() *run {
	r := &run{began: time.Now(), up: make(chan struct{})}
	r.ctx, r.end = context.WithCancel(context.Background())
	checkOf := func(kind Kind) *check {
		if c.handlers[kind] == nil {
			return nil
		}
		return newCheck(r.ctx, kind, c.specs[kind], c.handlers[kind], c.log)
	}
	r.live, r.ready, r.start = checkOf(Liveness), checkOf(Readiness), checkOf(Startup)
	if r.start == nil {
		close(r.up)
	} else {
		r.start.succeeded = sync.OnceFunc(func() { close(r.up) })
	}
	return r
}

// Stopped says that the command has ended, and ends the runs of probes that are
// in flight. A command that does not run is no error.
func (c *Checks) Stopped() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return
	}
	c.current.end()
	c.current = nil
	c.started = make(chan struct{})
}

// state is the present run, nil where there is none, and a channel that is
// closed when there is one.
func (c *Checks) state() (*run, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, c.started
}

func (r *run) age() time.Duration { return time.Since(r.began) }

func (r *run) hasStartedUp() bool {
	select {
	case <-r.up:
		return true
	default:
		return false
	}
}

func (r *run) hasEnded() bool { return r.ctx.Err() != nil }

// Live runs the liveness probe and returns nil if it passes, otherwise why not.
// It is nil too where that question cannot be put: no command runs, no such
// probe, initialDelaySeconds not over, or the startup probe has not passed yet
// and may still take its time (initialDelaySeconds, then failureThreshold ×
// periodSeconds). Until that has passed, it is the startup probe that is run,
// since the kubelet asks for it no more. It returns when ctx is done.
func (c *Checks) Live(ctx context.Context) error {
	r, _ := c.state()
	if r == nil {
		return nil
	}
	if !r.hasStartedUp() {
		return r.starting(ctx)
	}
	if r.live == nil || r.age() < r.live.spec.InitialDelay {
		return nil
	}
	if err := r.live.outcome(ctx); err != nil && !r.hasEnded() {
		return fmt.Errorf("liveness probe: %w", err)
	}
	return nil
}

// starting is Live before the startup probe has passed.
func (r *run) starting(ctx context.Context) error {
	if r.age() < r.start.spec.InitialDelay {
		return nil
	}
	err := r.start.outcome(ctx)
	patience := r.start.spec.patience()
	if err == nil || r.hasEnded() || r.age() < patience {
		return nil
	}
	return fmt.Errorf("startup probe has not passed within %s: %w", patience, err)
}

// Ready runs the readiness probe and returns nil if it passes, otherwise why
// the command is not ready: it does not run, initialDelaySeconds is not over,
// the startup probe has not passed (it is run first), or the probe fails. Where
// there is no readiness probe, a command that has started up is ready. It
// returns when ctx is done.
func (c *Checks) Ready(ctx context.Context) error {
	r, _ := c.state()
	if r == nil {
		return errors.New("the command does not run")
	}
	if err := r.startup(ctx); err != nil {
		return err
	}
	if r.ready == nil {
		return nil
	}
	if err := r.tooEarly(r.ready); err != nil {
		return err
	}
	if err := r.ready.outcome(ctx); err != nil {
		return fmt.Errorf("readiness probe: %w", err)
	}
	return nil
}

// Startup returns nil once the startup probe has passed, and runs it until
// then; otherwise it returns why it has not passed. It is nil too where no
// command runs or there is no startup probe. It returns when ctx is done.
func (c *Checks) Startup(ctx context.Context) error {
	r, _ := c.state()
	if r == nil {
		return nil
	}
	if err := r.startup(ctx); err != nil && !r.hasEnded() {
		return err
	}
	return nil
}

func (r *run) startup(ctx context.Context) error {
	if r.hasStartedUp() {
		return nil
	}
	if err := r.tooEarly(r.start); err != nil {
		return err
	}
	if err := r.start.outcome(ctx); err != nil {
		return fmt.Errorf("startup probe: %w", err)
	}
	return nil
}

func (r *run) tooEarly(c *check) error {
	if r.age() >= c.spec.InitialDelay {
		return nil
	}
	return fmt.Errorf("%s probe: begins %s after the start of the command (initialDelaySeconds)", c.kind, c.spec.InitialDelay)
}
