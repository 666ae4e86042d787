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

// question is one question to the lock.
type question struct {
	// operation is as in Request.
	operation string
	// until is when, on the holder's clock, an answer is no longer waited for.
	until time.Duration
	// mayRepeat reports whether another try may still be sent. Nil: yes.
	mayRepeat func() bool
	// pause is how long to wait after a try that failed, while another is under
	// way. Nil: pauseAfter.
	pause   func(error) time.Duration
	request func(context.Context) (Observation, error)
}

// ask puts a question to the lock. After RetryPeriod of silence a second try
// starts, from the same record and on a connection of its own; the first is
// dropped only once the other was answered. So an API that answers slowly is
// waited for, and a dead connection is left behind. Two tries are under way at
// most; while one is silent, the other may fail and be repeated. ask returns
// when a try was answered for good, when none is left, or, the outcome unknown,
// at q.until.
func (e *Elector) ask(ctx context.Context, q question) answer {
	ctx, drop := context.WithCancel(ctx)
	defer drop()

	clock := e.HolderClock
	answers := make(chan answer, 2)
	try := func() {
		sent := clock.Now()
		obs, err := q.request(ctx)
		answers <- answer{obs, sent, err}
	}
	timer := clock.NewTimer()
	defer timer.Stop()

	pauseAfter := e.pauseAfter
	if q.pause != nil {
		pauseAfter = q.pause
	}
	begun := clock.Now()
	again := begun + e.RetryPeriod
	go try()
	running := 1
	for {
		wake := q.until
		if running < 2 {
			wake = min(again, q.until)
		}
		timer.Reset(wake)
		select {
		case a := <-answers:
			running--
			final := a.err == nil || errors.Is(a.err, ErrConflict) || errors.Is(a.err, ErrForbidden)
			if final || running == 0 {
				e.Requests(Request{q.operation, clock.Now() - a.sent, a.err})
				return a
			}
			again = clock.Now() + pauseAfter(a.err)
		case <-timer.C():
			now := clock.Now()
			if now >= q.until {
				e.Requests(Request{q.operation, now - begun, context.DeadlineExceeded})
				return answer{err: fmt.Errorf("%s %s: no answer for %v", q.operation, e.Lock, (now - begun).Round(time.Millisecond))}
			}
			if now >= again && running < 2 {
				if q.mayRepeat != nil && !q.mayRepeat() {
					again = never
					continue
				}
				running++
				again = now + e.RetryPeriod
				go try()
			}
		case <-ctx.Done():
			return answer{err: fmt.Errorf("%s %s: %w", q.operation, e.Lock, context.Cause(ctx))}
		}
	}
}

// read asks for the present state and notes it.
func (e *Elector) read(ctx context.Context, q question) answer {
	before := e.sight.look().seq
	q.operation, q.request = "read", e.Lock.Read
	a := e.ask(ctx, q)
	switch {
	case a.err == nil:
		e.sight.read(a.obs, before)
	case ctx.Err() == nil:
		e.sight.failed(true, a.err)
	}
	return a
}

// write asks for `to` in place of `from` and notes what it made.
func (e *Elector) write(ctx context.Context, q question, from Observation, to Record) answer {
	q.request = func(ctx context.Context) (Observation, error) { return e.Lock.Write(ctx, from, to) }
	a := e.ask(ctx, q)
	if a.err == nil && a.obs.Revision == from.Revision {
		a.err = fmt.Errorf("%s %s: %w", q.operation, e.Lock, errUnchanged)
	}
	switch {
	case a.err == nil:
		e.sight.wrote(a.obs)
	case errors.Is(a.err, ErrConflict):
		e.sight.failed(false, nil) // a conflict comes after the permission
	case ctx.Err() != nil:
	case q.operation != claim || errors.Is(a.err, ErrForbidden):
		e.sight.failed(false, a.err)
	}
	return a
}

// Operations of a Request.
const (
	acquire = "acquire"
	create  = "create"
	renew   = "renew"
	release = "release"
	claim   = "claim"
)

// background runs a question beside the caller's loop.
func background(question func() answer) chan answer {
	done := make(chan answer, 1)
	go func() { done <- question() }()
	return done
}

// pauseAfter is how long to wait after err before the next try.
func (e *Elector) pauseAfter(err error) time.Duration {
	return max(e.RetryPeriod, askedPause(err))
}

// askedPause is how long the server asked to be left alone.
func askedPause(err error) time.Duration {
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) {
		return asked.RetryAfter()
	}
	return 0
}

// futilePause is the first pause after a conflict that no change explains.
const futilePause = 2 * time.Millisecond

// futility slows down who is refused over and over though nothing changes: by an
// admission webhook, or by a file whose last holder's descendants still live.
type futility struct{ times int }

// after takes note of a conflict of a write from revision `tried`, `now` being
// what was read since, and returns how long to wait.
func (f *futility) after(tried, now uint64, atMost time.Duration) time.Duration {
	if tried != now {
		*f = futility{}
		return 0
	}
	pause := min(atMost, futilePause<<min(f.times, 16))
	f.times++
	return pause
}

// errFutile: conflicts that no change of the record explains.
var errFutile = errors.New("a conflict, though the record has not changed: is there an admission webhook, or does somebody hold the file?")

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
