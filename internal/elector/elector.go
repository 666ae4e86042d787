package elector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Elector stands for one lock under one identity. Campaign and the Term that it
// returns take turns: one at a time. Run and Status may be used from any
// goroutine.
type Elector struct {
	Config
	sight *sight
	term  atomic.Pointer[Term]
	// rewatch makes Run open its watch anew.
	rewatch chan struct{}
	// told is what was last logged of what goes on failing.
	told told
}

// New returns an Elector that has done nothing yet. The error names every
// mistake in c.
func New(c Config) (*Elector, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("elector: %w", err)
	}
	c.Logger = c.Logger.With("lock", c.Lock.String())
	// That the socket is free proves the death of one that held it, and of nobody
	// else.
	c.Instance.Init = c.Instance.Init && c.Instance.Exclusive
	return &Elector{
		Config:  c,
		sight:   newSight(c.CandidateClock, c.LeaseDuration, c.Changed),
		rewatch: make(chan struct{}, 1),
	}, nil
}

// pollsPerWatch is how many times the lock is polled before watching it is
// tried again, where that was forbidden.
const pollsPerWatch = 30

// Run follows the lock until ctx ends, and returns nil. It must run while
// Campaign or a Term does.
func (e *Elector) Run(ctx context.Context) error {
	refused := ""
	for ctx.Err() == nil {
		err := e.watchOnce(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, ErrForbidden):
			if text := err.Error(); text != refused {
				refused = text
				e.Logger.Warn("watching is forbidden, polling instead", "every", e.RetryPeriod, "err", err)
			}
			for range pollsPerWatch {
				next := e.RetryPeriod
				if a := e.look(ctx); a.err != nil && ctx.Err() == nil {
					next = e.pauseAfter(a.err)
					e.tell("reading failed", a.err, next)
				}
				if !e.pause(ctx, next) {
					return nil
				}
			}
		default:
			// Spread: every candidate lost its stream at the same moment.
			next := max(e.RetryPeriod/2+time.Duration(e.Jitter()*float64(e.RetryPeriod)), askedPause(err))
			e.sight.failed(true, err)
			e.tell("watch broke", err, next)
			if !e.pause(ctx, next) {
				return nil
			}
			// It may be the watch alone that does not work.
			if a := e.look(ctx); a.err != nil && ctx.Err() == nil {
				e.tell("reading failed", a.err, next)
			}
		}
	}
	return nil
}

// told remembers what was logged, by message.
type told struct {
	mu   sync.Mutex
	last map[string]telling
}

type telling struct {
	text string
	at   time.Duration
}

// tellAgain is how often a failure that lasts is logged.
const tellAgain = time.Minute

// tell logs a failure that is retried: when it is new, and then each minute.
func (e *Elector) tell(message string, err error, next time.Duration) {
	now, text := e.CandidateClock.Now(), err.Error()
	e.told.mu.Lock()
	before, known := e.told.last[message]
	repeated := known && before.text == text && now < before.at+tellAgain
	if !repeated {
		if e.told.last == nil {
			e.told.last = make(map[string]telling)
		}
		e.told.last[message] = telling{text, now}
	}
	e.told.mu.Unlock()
	if repeated {
		e.Logger.Debug(message, "next", next.Round(time.Millisecond), "err", err)
		return
	}
	e.Logger.Warn(message, "next", next.Round(time.Millisecond), "err", err)
}

// look reads the lock once, as far as an answer can be had within a term.
func (e *Elector) look(ctx context.Context) answer {
	return e.read(ctx, question{until: e.HolderClock.Now() + e.RenewDeadline})
}

// watchOnce follows the lock until the stream breaks or seems to be dead; nil
// asks for a new one at once. While it delivers nothing at all, not even how
// the lock is, the lock is read besides.
func (e *Elector) watchOnce(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	before := e.sight.look().delivered
	broken := make(chan error, 1)
	go func() { broken <- e.Lock.Watch(ctx, e.sight.watch) }()
	go func() {
		for e.pause(ctx, e.RetryPeriod) && e.sight.look().delivered == before {
			e.look(ctx)
		}
	}()
	select {
	case err := <-broken:
		return err
	case <-e.rewatch:
		stop()
		<-broken //nolint:errcheck // it says that it was stopped
		return nil
	}
}

// Status is what an Elector knows at one moment.
type Status struct {
	// Holding is true from the acquisition until the term was released or
	// abandoned, whether it still lasts or not.
	Holding bool
	// HolderIdentity is the holder last seen; empty: none.
	HolderIdentity string
	// Token is the fencing token of the present term; zero: not holding.
	Token uint64
	// ExpiresIn is what is left of the own lease as others count it, and zero
	// once the term is over, by the clock at the moment of the call, whatever
	// hangs: this process leads exactly while it is above zero.
	ExpiresIn time.Duration
	// Since is when the holder last seen acquired the lock, by its wall clock.
	Since time.Time
	// Transitions is the lock's count of changes of holder.
	Transitions int
	// Known is false until the lock was read for the first time.
	Known bool
	// Unreadable and Unwritable are the errors of the last read and write,
	// nil after a success.
	Unreadable, Unwritable error
}

// Status is computed at the call. It takes no lock that is held while anything
// is waited for.
func (e *Elector) Status() Status {
	s := e.sight.look()
	status := Status{
		HolderIdentity: s.obs.Record.HolderIdentity,
		Since:          s.obs.Record.AcquireTime,
		Transitions:    s.obs.Record.LeaseTransitions,
		Known:          s.seq > 0,
		Unreadable:     s.unreadable,
		Unwritable:     s.unwritable,
	}
	if t := e.term.Load(); t != nil {
		status.Holding = true
		status.Token = t.token
		if t.Valid() {
			status.ExpiresIn = t.renewed() + e.LeaseDuration - e.HolderClock.Now()
		}
	}
	return status
}
