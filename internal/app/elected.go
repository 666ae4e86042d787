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
	"github.com/k8s-await-election/k8s-await-election/internal/instance"
	"github.com/k8s-await-election/k8s-await-election/internal/memory"
	"github.com/k8s-await-election/k8s-await-election/internal/status"
)

// elected runs the command, or a sidecar's claim to lead, behind an election.
func elected(p Program, c *config.Config, texts *parsed, log *slog.Logger) (int, error) {
	if !c.Sidecar {
		// Found now and not when elected: a standby that could never lead helps
		// nobody.
		if _, err := command.Resolve(c.Command[0], p.Environ); err != nil {
			return command.ExitStatus(err), err
		}
	}
	signals := p.Catch(child.Forwardable())
	code, err := connect(p, c, texts, signals, log)
	return exitStatus(code, err), err
}

// connect makes the rooms and runs them until the gate ends.
func connect(p Program, c *config.Config, texts *parsed, signals <-chan os.Signal, log *slog.Logger) (int, error) {
	ctx, end := context.WithCancel(context.Background())
	defer end()

	self, err := instance.Claim(instance.Options{
		LockType:      string(c.LockType),
		Namespace:     c.LockNamespace,
		Name:          filepath.Join(c.LockDir, c.LockName), // for files the directory is a part of the name
		Identity:      c.Identity,
		PodUID:        c.PodUID,
		StartsNothing: c.Sidecar,
	})
	if err != nil {
		return 0, err
	}
	leading, stepDown := context.WithCancelCause(ctx)
	defer stepDown(nil)
	var election *elector.Elector
	metrics := status.NewMetrics(p.Version)
	// Not before the claim: a leader file may be that of a live process until then.
	work, err := openWork(p, c, texts, metrics, func() time.Duration { return election.Status().ExpiresIn }, stepDown, log)
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
	var server *status.Server
	election, err = elector.New(elector.Config{
		Lock:           backend.lock,
		Identity:       c.Identity,
		Instance:       self,
		LeaseDuration:  c.LeaseDuration,
		RenewDeadline:  c.RenewDeadline,
		RetryPeriod:    c.RetryPeriod,
		HolderClock:    clock.Boottime,
		CandidateClock: clock.Monotonic,
		WallSteps:      steps,
		Deadline:       work.deadline,
		Requests:       func(r elector.Request) { count(metrics, r) },
		Changed: func() {
			work.changed()
			if server != nil {
				server.Changed()
			}
		},
		Logger: log,
	})
	if err != nil {
		return 0, err
	}
	run := gate.New(gate.Config{
		Elector:         election,
		Spawner:         work.spawner,
		Readiness:       work.readiness,
		Publisher:       backend.publisher,
		Announcer:       backend.announcer,
		Observer:        work.observer,
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
	if c.StatusEndpoint != "" || c.HealthEndpoint != "" {
		server = status.New(status.Options{
			Source:   source{election, c.Identity, work.losing},
			Probes:   work.probes,
			Metrics:  metrics,
			Identity: c.Identity,
			Sidecar:  c.Sidecar,
			Logger:   log,
		})
		if err := listen(server, c, log); err != nil {
			return 0, err
		}
		others.Go(func() {
			if err := server.Run(ctx); err != nil {
				log.Error("status server ended", "err", err)
			}
		})
	}
	others.Go(func() { work.run(ctx) })
	others.Go(func() { _ = election.Run(ctx) })
	others.Go(func() { backend.run(ctx) })

	shed := time.AfterFunc(c.RetryPeriod, memory.Shed) // the first connections are made by then
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

// listen opens the ports. The one for health is of older tools' manifests, which
// many use without knowing of it: the sidecar is worth more than that.
func listen(server *status.Server, c *config.Config, log *slog.Logger) error {
	if c.StatusEndpoint != "" {
		if err := server.Listen(c.StatusEndpoint); err != nil {
			return c.Mistake("STATUS_ENDPOINT", err)
		}
	}
	if c.HealthEndpoint != "" {
		if err := server.Listen(c.HealthEndpoint); err != nil {
			log.Warn("/healthz is not served", "setting", "HEALTH_PORT", "err", err)
		}
	}
	return nil
}
