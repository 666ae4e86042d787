package elector

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Bounds of a lease's durations.
const (
	// MinLeaseDuration is the shortest lease; the record counts whole seconds.
	MinLeaseDuration = time.Second
	// minKillMargin is above the longest delay of a timer seen under a CPU
	// limit of a tenth of a core, 299 ms.
	minKillMargin = 500 * time.Millisecond
)

// KillMargin is how long before the end of a lease all that is left of the
// child is killed, so that it is dead when somebody else may start.
func KillMargin(lease time.Duration) time.Duration {
	return max(lease/10, minKillMargin)
}

// Config is what an Elector needs. All fields but WallSteps, Deadline, Requests,
// Changed and Jitter are required.
type Config struct {
	Lock Lock
	// Identity is this candidate's name in the record; unique among those that
	// live at one time.
	Identity string
	// Instance is this process, to be told from others of the same name.
	Instance Instance

	// LeaseDuration is how long others wait after the last renewal they saw.
	// At least MinLeaseDuration. Short leases end a term at short outages.
	LeaseDuration time.Duration
	// RenewDeadline is how long after T0 a term is over. Less than
	// LeaseDuration − KillMargin; what lies between is the child's time to end
	// by itself.
	RenewDeadline time.Duration
	// RetryPeriod is the time between renewals, and after a failure. Less than
	// RenewDeadline.
	RetryPeriod time.Duration

	// HolderClock must go on in suspend (CLOCK_BOOTTIME), CandidateClock must
	// not run ahead of anybody's (CLOCK_MONOTONIC).
	HolderClock    Clock
	CandidateClock Clock
	// WallSteps delivers when the wall clock was set. It triggers a renewal,
	// nothing else. Nil: never.
	WallSteps <-chan struct{}

	// Deadline is told T0 + LeaseDuration − KillMargin, by HolderClock, each time
	// T0 moves, and first before the child may be started: for whoever keeps it
	// in our place when this process cannot. It must not wait. Nil: nobody does.
	Deadline func(at time.Duration)
	// Requests is called after each answer of the lock, from any goroutine.
	// Nil: nobody listens.
	Requests func(Request)
	// Changed is called, from any goroutine, after anything that Status tells has
	// changed, a renewal included, but for what the clock alone changes: a reader
	// of ExpiresIn counts for itself. It must neither wait nor call the Elector.
	// Nothing here depends on it. Nil: nobody listens.
	Changed func()
	// Jitter returns a number in [0,1), from any goroutine. Nil: a random one.
	Jitter func() float64

	Logger *slog.Logger
}

// Request is one answered (or abandoned) request to the lock, for statistics.
type Request struct {
	// Operation is create, acquire, renew, release, claim (of the place of
	// heir) or read.
	Operation string
	Took      time.Duration
	// Err is nil for success.
	Err error
}

func (c *Config) validate() error {
	var mistakes []error
	if c.Lock == nil || c.HolderClock == nil || c.CandidateClock == nil || c.Logger == nil {
		mistakes = append(mistakes, errors.New("lock, clocks and logger are required"))
	}
	if c.Identity == "" {
		mistakes = append(mistakes, errors.New("identity is empty"))
	}
	if c.Instance.Process == "" {
		mistakes = append(mistakes, errors.New("the instance's process is empty, so nothing tells its writes from others'"))
	}
	if c.LeaseDuration < MinLeaseDuration {
		mistakes = append(mistakes, fmt.Errorf("lease duration %v is less than %v", c.LeaseDuration, MinLeaseDuration))
	}
	if latest := c.LeaseDuration - KillMargin(c.LeaseDuration); c.RenewDeadline >= latest {
		mistakes = append(mistakes, fmt.Errorf("renew deadline %v is not less than %v, the lease duration %v less its kill margin", c.RenewDeadline, latest, c.LeaseDuration))
	}
	if c.RetryPeriod <= 0 || c.RetryPeriod >= c.RenewDeadline {
		mistakes = append(mistakes, fmt.Errorf("retry period %v is not between 0 and the renew deadline %v", c.RetryPeriod, c.RenewDeadline))
	}
	if c.Deadline == nil {
		c.Deadline = func(time.Duration) {}
	}
	if c.Requests == nil {
		c.Requests = func(Request) {}
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return errors.Join(mistakes...)
}

// storedDuration is the lease duration as the record counts it.
func storedDuration(d time.Duration) time.Duration {
	return (d + time.Second - 1) / time.Second * time.Second
}
