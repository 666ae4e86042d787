package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/internal/clock"
	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/kube"
)

// kind is a kind of candidates of which there are many in this process, each with
// connections of its own. Their number is in the names of the samples.
type kind struct {
	name  string
	enter func(Settings, elector.Lock, string) (contender, error)
}

func (k kind) gap(size int) string    { return fmt.Sprintf("%s_%d_gap_ms", k.name, size) }        // before the release is sent → next term
func (k kind) failed(size int) string { return fmt.Sprintf("%s_%d_failed_writes", k.name, size) } // of the Lease, by all, in one hand-over

var (
	electors = kind{"electors", newElecting}
	naive    = kind{"naive", newNaive}
)

// contender is one candidate. stand is for one goroutine.
type contender interface {
	// follow watches the Lease until ctx ends.
	follow(ctx context.Context)
	// informed reports whether it has seen the Lease.
	informed() bool
	// stand waits until the contender holds the Lease, and returns what gives it
	// up.
	stand(ctx context.Context) (release func(context.Context) error, err error)
}

// electing is what a gate elects with.
type electing struct{ *elector.Elector }

func newElecting(s Settings, lock elector.Lock, name string) (contender, error) {
	e, err := elector.New(elector.Config{
		Lock: lock, Identity: name, Instance: elector.Instance{Process: name},
		LeaseDuration: s.Lease, RenewDeadline: s.Renew, RetryPeriod: s.Retry,
		HolderClock: clock.Boottime, CandidateClock: clock.Monotonic,
		Logger: slog.New(slog.DiscardHandler),
	})
	return electing{e}, err
}

func (e electing) follow(ctx context.Context) { _ = e.Run(ctx) } // nil always

func (e electing) informed() bool { return e.Status().Known }

func (e electing) stand(ctx context.Context) (func(context.Context) error, error) {
	term, err := e.Campaign(ctx)
	if err != nil {
		return nil, err
	}
	return term.Release, nil
}

// naively is a candidate as one would first think of it: it writes as soon as it
// sees the Lease without a holder. It does not even renew.
type naively struct {
	lock   elector.Lock
	name   string
	knows  atomic.Bool
	latest chan elector.Observation
	// left is the revision that it made when it gave the Lease up.
	left uint64
}

func newNaive(_ Settings, lock elector.Lock, name string) (contender, error) {
	return &naively{lock: lock, name: name, latest: make(chan elector.Observation, 1)}, nil
}

func (n *naively) follow(ctx context.Context) {
	// If it breaks, others are elected.
	_ = n.lock.Watch(ctx, func(obs elector.Observation) {
		n.knows.Store(true)
		select {
		case <-n.latest:
		default:
		}
		n.latest <- obs
	})
}

func (n *naively) informed() bool { return n.knows.Load() }

func (n *naively) stand(ctx context.Context) (func(context.Context) error, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case obs := <-n.latest:
			if obs.Record.HolderIdentity != "" || obs.Exists && obs.Revision <= n.left {
				continue
			}
			held, err := n.lock.Write(ctx, obs, elector.Record{HolderIdentity: n.name, LeaseDuration: time.Hour})
			if errors.Is(err, elector.ErrConflict) {
				continue // somebody else was faster
			}
			if err != nil {
				// With all others it may be too much for the server.
				if err := pause(ctx, time.Second); err != nil {
					return nil, err
				}
				select {
				case n.latest <- obs:
				default: // another one has come
				}
				continue
			}
			return func(ctx context.Context) error {
				obs, err := n.lock.Write(ctx, held, elector.Record{LeaseDuration: time.Second})
				n.left = obs.Revision
				return err
			}, nil
		}
	}
}

// turn is a contender's time at the Lease.
type turn struct {
	began time.Time
	// leave is closed for it to give the Lease up, rejoin for it to stand anew.
	leave, rejoin chan struct{}
}

// pass hands one Lease over again and again among that many candidates in this
// process, without gates and commands. Who gave it up stands anew. It returns the
// samples of those hand-overs that came about, also beside an error.
func (b *bench) pass(ctx context.Context, k kind, size int) (samples []map[string]float64, err error) {
	lease := fmt.Sprintf("%s-%d", k.name, size)
	lock, err := b.dialler(ctx, lease)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop(errPassed)
	turns := make(chan turn)
	contenders := make([]contender, size)
	for i := range contenders {
		l, err := lock()
		if err != nil {
			return nil, err
		}
		c, err := k.enter(b.settings, l, fmt.Sprintf("candidate-%d", i+1))
		if err != nil {
			return nil, err
		}
		contenders[i] = c
		running.Go(func() { c.follow(ctx) })
		running.Go(func() {
			if err := contend(ctx, c, turns); err != nil {
				stop(err)
			}
		})
	}
	patience, end := context.WithTimeoutCause(ctx, b.settings.patience(), errors.New("nobody leads"))
	defer end()
	holder, err := receive(patience, turns)
	if err != nil {
		return nil, err
	}
	for _, c := range contenders {
		for !c.informed() {
			if err := pause(patience, look); err != nil {
				return nil, err
			}
		}
	}
	if err := pause(ctx, b.settings.Settle); err != nil {
		return nil, err
	}
	for range b.settings.Runs {
		from := time.Now()
		close(holder.leave)
		patience, end := context.WithTimeoutCause(ctx, b.settings.patience(), errors.New("nobody leads after the release"))
		next, err := receive(patience, turns)
		end()
		if err != nil {
			return samples, err
		}
		close(holder.rejoin)
		values := map[string]float64{k.gap(size): ms(next.began.Sub(from))}
		// Who failed tries again, or claims the next place: that is part of it.
		if err := pause(ctx, b.settings.Settle); err != nil {
			return samples, err
		}
		failed, err := failedWrites(b.server, lease, from, time.Now())
		if err != nil {
			return samples, err
		}
		values[k.failed(size)] = float64(failed)
		samples = append(samples, values)
		holder = next
	}
	return samples, nil
}

// errPassed ends the candidates of a figure that is done.
var errPassed = errors.New("measured")

// contend has one candidate stand again and again until ctx ends.
func contend(ctx context.Context, c contender, turns chan<- turn) error {
	for {
		release, err := c.stand(ctx)
		if err != nil {
			return nil //nolint:nilerr // it is that of ctx
		}
		t := turn{began: time.Now(), leave: make(chan struct{}), rejoin: make(chan struct{})}
		select {
		case turns <- t:
			select {
			case <-t.leave:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		if err := release(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		select {
		case <-t.rejoin:
		case <-ctx.Done():
			return nil
		}
	}
}

func receive(ctx context.Context, turns <-chan turn) (turn, error) {
	select {
	case t := <-turns:
		return t, nil
	case <-ctx.Done():
		return turn{}, context.Cause(ctx)
	}
}

// dialler makes the lock of that name, over connections of its own each time it is
// called.
func (b *bench) dialler(ctx context.Context, lease string) (func() (elector.Lock, error), error) {
	account, err := newAccount(ctx, b.server, b.namespace, lease)
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(b.folder, lease+".kubeconfig")
	if err := apiserver.WriteKubeconfig(kubeconfig, account.config(b.server)); err != nil {
		return nil, err
	}
	return func() (elector.Lock, error) {
		client, err := kube.NewClient(kube.Options{Kubeconfig: kubeconfig, UserAgent: "bench"})
		if err != nil {
			return nil, err
		}
		return client.Lease(b.namespace, lease), nil
	}, nil
}
