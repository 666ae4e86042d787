package elector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// never is an instant that no clock reaches.
const never = time.Duration(math.MaxInt64)

// errUnchanged: the lock answered a write with the revision it had before, so
// nothing was renewed.
var errUnchanged = errors.New("answered without a change")

// answer is the outcome of one question to the lock.
type answer struct {
	obs Observation
	// sent is the holder's clock just before the try that was answered.
	sent time.Duration
	err  error
}

// ask puts one question to the lock by at most two tries. The second starts
// after RetryPeriod of silence, from the same record and on a connection of its
// own; a first try is dropped only once the other was answered. So an API that
// answers slowly is waited for, and a dead connection is left behind. What has
// no answer when `until` (on the holder's clock) passes ends in an error, its
// outcome unknown.
func (e *Elector) ask(ctx context.Context, operation string, until time.Duration, request func(context.Context) (Observation, error)) answer {
	ctx, drop := context.WithCancel(ctx)
	defer drop()

	clock := e.HolderClock
	answers := make(chan answer, 2)
	try := func() {
		sent := clock.Now()
		obs, err := request(ctx)
		answers <- answer{obs, sent, err}
	}
	timer := clock.NewTimer()
	defer timer.Stop()

	begun := clock.Now()
	second := begun + e.RetryPeriod
	go try()
	tries, running := 1, 1
	for {
		timer.Reset(min(second, until))
		select {
		case a := <-answers:
			running--
			final := a.err == nil || errors.Is(a.err, ErrConflict) || errors.Is(a.err, ErrForbidden)
			if final || running == 0 {
				e.Requests(Request{operation, clock.Now() - a.sent, a.err})
				return a
			}
		case <-timer.C():
			now := clock.Now()
			if now >= until {
				err := fmt.Errorf("%s %s: no answer for %v", operation, e.Lock, (now - begun).Round(time.Millisecond))
				e.Requests(Request{operation, now - begun, context.DeadlineExceeded})
				return answer{err: err}
			}
			if now >= second && tries == 1 {
				second = never
				tries, running = 2, running+1
				go try()
			}
		case <-ctx.Done():
			return answer{err: fmt.Errorf("%s %s: %w", operation, e.Lock, context.Cause(ctx))}
		}
	}
}

// read asks for the present state and notes it.
func (e *Elector) read(ctx context.Context, until time.Duration) answer {
	before := e.sight.look().seq
	a := e.ask(ctx, "read", until, e.Lock.Read)
	if a.err != nil {
		e.sight.failed(true, a.err)
		return a
	}
	e.sight.read(a.obs, before)
	return a
}

// write asks for `to` in place of `from` and notes what it made.
func (e *Elector) write(ctx context.Context, operation string, until time.Duration, from Observation, to Record) answer {
	a := e.ask(ctx, operation, until, func(ctx context.Context) (Observation, error) {
		return e.Lock.Write(ctx, from, to)
	})
	if a.err == nil && a.obs.Revision == from.Revision {
		a.err = fmt.Errorf("%s %s: %w", operation, e.Lock, errUnchanged)
	}
	switch {
	case a.err == nil:
		e.sight.wrote(a.obs)
	case !errors.Is(a.err, ErrConflict):
		e.sight.failed(false, a.err)
	}
	return a
}

// background runs a question beside the caller's loop.
func background(question func() answer) chan answer {
	done := make(chan answer, 1)
	go func() { done <- question() }()
	return done
}

// pauseAfter is how long to wait after err before the next try.
func (e *Elector) pauseAfter(err error) time.Duration {
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) {
		return max(asked.RetryAfter(), e.RetryPeriod)
	}
	return e.RetryPeriod
}

// pause waits on the candidate's clock; false if ctx ended first.
func (e *Elector) pause(ctx context.Context, d time.Duration) bool {
	timer := e.CandidateClock.NewTimer()
	defer timer.Stop()
	end := e.CandidateClock.Now() + d
	for {
		timer.Reset(end)
		select {
		case <-ctx.Done():
			return false
		case <-timer.C():
			if e.CandidateClock.Now() >= end {
				return true
			}
		}
	}
}
