package kube

import (
	"context"
	"errors"
	"time"
)

// backoff is the pause after each of a row of failures.
type backoff struct{ last time.Duration }

// refusedPause: rights do not change by themselves.
const refusedPause = 30 * time.Second

// next doubles from 200 ms to 10 s, and honours what the server asked for.
func (b *backoff) next(err error) time.Duration {
	b.last = min(max(2*b.last, 200*time.Millisecond), 10*time.Second)
	pause := b.last
	if isForbidden(err) {
		pause = refusedPause
	}
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) {
		pause = max(pause, asked.RetryAfter())
	}
	return pause
}

// pace spaces repairs out. The first is made at once; further ones, while less
// than repairQuiet has passed since the last, after a pause that doubles.
type pace struct {
	last  time.Time
	row   int
	pause time.Duration
}

const (
	repairQuiet  = 10 * time.Second
	repairPause  = 100 * time.Millisecond
	repairLimit  = 10 * time.Second
	repairFought = 5
)

// next is how long to wait before a repair now; fought is true once in a row of
// repairs that is too long to be chance.
func (p *pace) next(now time.Time) (pause time.Duration, fought bool) {
	if p.last.IsZero() || now.Sub(p.last) > repairQuiet {
		p.row, p.pause = 0, 0
	} else {
		p.row++
		p.pause = min(max(2*p.pause, repairPause), repairLimit)
	}
	p.last = now.Add(p.pause)
	return p.pause, p.row == repairFought
}

// hurriedTries are how many tries hurry makes: within a quarter of a second, if they
// take no time themselves.
const hurriedTries = 9

// hurry tries until it need not be done again, or an error comes of which that is
// not said; it is for what somebody else's write has come before, which is over in a
// moment as a rule. Where it is not, the last error is for whoever has patience.
func hurry(ctx context.Context, try func() (again bool, err error)) error {
	pause := time.Millisecond
	for n := 1; ; n++ {
		again, err := try()
		if !again || n == hurriedTries {
			return err
		}
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
		pause *= 2
	}
}
