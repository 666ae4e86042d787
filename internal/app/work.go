package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/child"
	"github.com/k8s-await-election/k8s-await-election/internal/config"
	"github.com/k8s-await-election/k8s-await-election/internal/gate"
	"github.com/k8s-await-election/k8s-await-election/internal/guard"
	"github.com/k8s-await-election/k8s-await-election/internal/memory"
	"github.com/k8s-await-election/k8s-await-election/internal/probe"
	"github.com/k8s-await-election/k8s-await-election/internal/status"
	"github.com/k8s-await-election/k8s-await-election/internal/statusfile"
)

// work is what runs while this process leads, and all in which a gate and a
// sidecar differ.
type work struct {
	spawner   gate.Spawner
	readiness gate.Readiness
	observer  gate.Observer
	// probes is nil where nothing is probed.
	probes status.Probes
	// deadline is the elector's. Nil: nobody keeps it in the gate's place.
	deadline func(time.Duration)
	// losing says what happens once the lease is lost.
	losing string
	// run does what goes on in the background, until ctx ends.
	run func(ctx context.Context)
	// changed is called when the state of the election has changed.
	changed func()
}

// openWork: expires is how long the lease is still valid while this process
// leads, stepDown ends the gate as a stop signal does, for a reason.
func openWork(p Program, c *config.Config, texts *parsed, metrics *status.Metrics, expires func() time.Duration, stepDown context.CancelCauseFunc, log *slog.Logger) (*work, error) {
	if c.Sidecar {
		return openClaim(c, expires, log)
	}
	return openCommand(p, c, texts, metrics, stepDown, log)
}

// openCommand is a gate's work.
func openCommand(p Program, c *config.Config, texts *parsed, metrics *status.Metrics, stepDown context.CancelCauseFunc, log *slog.Logger) (*work, error) {
	supervisor, err := child.New(log)
	if err != nil {
		return nil, err
	}
	guarded, err := guard.New()
	if err != nil {
		return nil, err
	}
	checks, err := probe.New(probe.Options{
		Liveness:  texts.liveness,
		Readiness: texts.readiness,
		Startup:   texts.startup,
		Host:      firstIP(c),
		Version:   p.Version,
		Run: func(ctx context.Context, argv []string) (int, []byte, error) {
			return supervisor.Run(ctx, argv, p.Environ)
		},
		Environ: p.Environ,
		Logger:  log,
	})
	if err != nil {
		return nil, err
	}
	return &work{
		spawner:   spawner{supervisor.Command(c.Command, guarded, stepDown)},
		readiness: checks,
		observer:  &commandObserver{checks: checks, metrics: metrics, log: log, calm: c.LeaseDuration},
		probes:    checks,
		deadline:  guarded.Hold,
		losing:    "the command is being stopped",
		run:       func(context.Context) {},
		changed:   func() {},
	}, nil
}

// openClaim is a sidecar's work.
func openClaim(c *config.Config, expires func() time.Duration, log *slog.Logger) (*work, error) {
	options := statusfile.Options{
		File:     c.StatusFile,
		Dir:      c.StatusDir,
		Optional: c.StatusPathGuessed && !c.StatusFileExpiry,
		Identity: c.Identity,
		Ends:     child.Terminates,
		Logger:   log,
	}
	if c.StatusFileExpiry {
		options.Expires = expires
	}
	claim, err := statusfile.New(options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConfig, err)
	}
	return &work{
		spawner:   claim,
		readiness: always{},
		observer:  claimObserver{log},
		losing:    "the claim to lead is being taken back",
		run: func(ctx context.Context) {
			go memory.StaySmall(ctx)
			claim.Run(ctx)
		},
		changed: claim.Changed,
	}, nil
}

// spawner is child's command in the gate's words.
type spawner struct{ command *child.Command }

func (s spawner) Start(extra []string, may func() bool) (gate.Process, error) {
	process, err := s.command.Start(extra, may)
	if err != nil {
		return nil, err // not a nil *child.Process in an interface
	}
	return running{process}, nil
}

// running is a command, of which its status tells all.
type running struct{ *child.Process }

// Err implements gate.Process.
func (running) Err() error { return nil }

// always is ready.
type always struct{}

func (always) Watch(ctx context.Context, changed func(bool)) {
	changed(true)
	<-ctx.Done()
}

// commandObserver tells probes, metrics and people about the command, and lets go of
// the memory that a term needed.
type commandObserver struct {
	checks  *probe.Checks
	metrics *status.Metrics
	log     *slog.Logger
	// calm is how long after a term the lock has been passed on, and a new place
	// among those who stand by is taken.
	calm time.Duration
	// shed is the timer of the last term's memory; nil: there was none. It is stopped
	// when the next command runs: a page fault is for no kill to wait for.
	shed *time.Timer
}

func (o *commandObserver) Started(pid int, token uint64) {
	if o.shed != nil {
		o.shed.Stop()
	}
	o.checks.Started()
	o.metrics.ChildStarted()
	o.log.Info("command started", "pid", pid, "token", token)
}

func (o *commandObserver) Ended(code int, reason string) {
	o.checks.Stopped()
	o.metrics.ChildExited(code)
	o.log.Info("command ended", "reason", reason, "status", code)
	o.shed = time.AfterFunc(o.calm, memory.Shed)
}

// claimObserver tells people about a sidecar's claim.
type claimObserver struct{ log *slog.Logger }

func (o claimObserver) Started(_ int, token uint64) { o.log.Info("leading", "token", token) }

func (o claimObserver) Ended(_ int, reason string) { o.log.Info("no longer leading", "reason", reason) }

// firstIP is where the command's probes connect to; empty: loopback.
func firstIP(c *config.Config) string {
	if len(c.PodIPs) == 0 {
		return ""
	}
	return c.PodIPs[0].String()
}
