package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/child"
	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/clock"
	"github.com/k8s-await-election/k8s-await-election/internal/config"
	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/gate"
	"github.com/k8s-await-election/k8s-await-election/internal/guard"
	"github.com/k8s-await-election/k8s-await-election/internal/instance"
	"github.com/k8s-await-election/k8s-await-election/internal/memory"
	"github.com/k8s-await-election/k8s-await-election/internal/probe"
	"github.com/k8s-await-election/k8s-await-election/internal/status"
)

// elected runs the command behind an election.
func elected(p Program, c *config.Config, texts *parsed, log *slog.Logger) (int, error) {
	// Found now and not when elected: a standby that could never lead helps
	// nobody.
	if _, err := command.Resolve(c.Command[0], p.Environ); err != nil {
		return command.ExitStatus(err), err
	}
	signals := p.Catch(child.Forwardable())
	code, err := connect(p, c, texts, signals, log)
	return exitStatus(code, err), err
}

// connect makes the rooms and runs them until the gate ends.
func connect(p Program, c *config.Config, texts *parsed, signals <-chan os.Signal, log *slog.Logger) (int, error) {
	ctx, end := context.WithCancel(context.Background())
	defer end()

	supervisor, err := child.New(log)
	if err != nil {
		return 0, err
	}
	self, err := instance.Claim(instance.Options{
		LockType:  string(c.LockType),
		Namespace: c.LockNamespace,
		Name:      filepath.Join(c.LockDir, c.LockName), // for files the directory is a part of the name
		Identity:  c.Identity,
		PodUID:    c.PodUID,
	})
	if err != nil {
		return 0, err
	}

	guarded, err := guard.New()
	if err != nil {
		return 0, err
	}

	backend, err := openBackend(p, c, texts, log)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errConfig, err)
	}
	steps, err := clock.Steps(ctx)
	if err != nil {
		log.Debug("steps of the wall clock go unnoticed", "err", err)
	}
	metrics := status.NewMetrics(p.Version)
	election, err := elector.New(elector.Config{
		Lock:           backend.lock,
		Identity:       c.Identity,
		Instance:       self,
		LeaseDuration:  c.LeaseDuration,
		RenewDeadline:  c.RenewDeadline,
		RetryPeriod:    c.RetryPeriod,
		HolderClock:    clock.Boottime,
		CandidateClock: clock.Monotonic,
		WallSteps:      steps,
		Deadline:       guarded.Hold,
		Requests:       func(r elector.Request) { count(metrics, r) },
		Logger:         log,
	})
	if err != nil {
		return 0, err
	}
	checks, err := probe.New(probe.Options{
		Liveness:  texts.liveness,
		Readiness: texts.readiness,
		Startup:   texts.startup,
		Host:      firstIP(c),
		Version:   p.Version,
		Run: func(ctx context.Context, argv []string) (int, []byte, error) {
			return supervisor.Run(ctx, argv, nil)
		},
		Logger: log,
	})
	if err != nil {
		return 0, err
	}
	leading, stepDown := context.WithCancelCause(ctx)
	defer stepDown(nil)
	run := gate.New(gate.Config{
		Elector:         election,
		Spawner:         spawner{supervisor.Command(c.Command, guarded, stepDown)},
		Readiness:       checks,
		Publisher:       backend.publisher,
		Announcer:       backend.announcer,
		Observer:        observer{checks, metrics, log},
		Signals:         signals,
		Terminates:      child.Terminates,
		StopSignal:      texts.stopSignal,
		StopTimeout:     c.StopTimeout,
		StandByWhenLost: c.OnLost == config.Standby,
		Logger:          log,
	})

	// The gate's end is everybody's; the others end only with it, so that
	// status is told until the lock is released.
	var others sync.WaitGroup
	if c.StatusEndpoint != "" {
		server := status.New(status.Options{
			Source:   source{election},
			Probes:   checks,
			Metrics:  metrics,
			Identity: c.Identity,
			Logger:   log,
		})
		if err := server.Listen(c.StatusEndpoint); err != nil {
			return 0, err
		}
		others.Go(func() {
			if err := server.Run(ctx); err != nil {
				log.Error("status server ended", "err", err)
			}
		})
	}
	others.Go(func() { _ = election.Run(ctx) })
	others.Go(func() { backend.run(ctx) })

	shed := time.AfterFunc(c.RetryPeriod, memory.ShedStartup) // the first connections are made by then
	defer shed.Stop()

	code, err := run.Run(leading)
	if errors.Is(err, gate.ErrAlive) {
		return 0, err // wait for nobody
	}
	if cause := context.Cause(leading); errors.Is(cause, child.ErrUnguarded) {
		err = errors.Join(cause, err)
	}
	end()
	ended := make(chan struct{})
	go func() {
		others.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(lastWords): // a disk that does not answer, say
	}
	return code, err
}

// lastWords is how long the other rooms may take to end after the gate.
const lastWords = 2 * time.Second

// spawner is child's command in the gate's words.
type spawner struct{ command *child.Command }

func (s spawner) Start(extra []string, may func() bool) (gate.Process, error) {
	process, err := s.command.Start(extra, may)
	if err != nil {
		return nil, err // not a nil *child.Process in an interface
	}
	return process, nil
}

// observer tells probes, metrics and people about the command.
type observer struct {
	checks  *probe.Checks
	metrics *status.Metrics
	log     *slog.Logger
}

func (o observer) Started(pid int, token uint64) {
	o.checks.Started()
	o.metrics.ChildStarted()
	o.log.Info("command started", "pid", pid, "token", token)
}

func (o observer) Ended(code int, reason string) {
	o.checks.Stopped()
	o.metrics.ChildExited(code)
	o.log.Info("command ended", "reason", reason, "status", code)
}

// firstIP is where the command's probes connect to; empty: loopback.
func firstIP(c *config.Config) string {
	if len(c.PodIPs) == 0 {
		return ""
	}
	return c.PodIPs[0].String()
}
