package simulation

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// never is an instant that no clock reaches.
const never = time.Duration(math.MaxInt64)

// clock is one of a process's clocks: true time at another rate, from another
// origin. Its timers do not fire while the process stands still.
type clock struct {
	p    *process
	rate float64

	mu     sync.Mutex
	offset time.Duration
	timers []*timer
}

// Now is the clock's reading.
func (c *clock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *clock) read() time.Duration {
	return c.offset + time.Duration(float64(c.p.w.now())*c.rate)
}

// standStill takes back what the clock has run in a time d.
func (c *clock) standStill(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset -= time.Duration(float64(d) * c.rate)
}

// rearm looks at all timers again: time has jumped, or the process was frozen.
func (c *clock) rearm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		t.arm()
	}
}

// NewTimer returns a timer that is not armed.
func (c *clock) NewTimer() elector.Timer {
	t := &timer{clock: c, c: make(chan struct{}, 1), at: never}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers = append(c.timers, t)
	return t
}

type timer struct {
	clock *clock
	c     chan struct{}
	at    time.Duration
	alarm *time.Timer
}

func (t *timer) C() <-chan struct{} { return t.c }

func (t *timer) Reset(at time.Duration) {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.at = at
	t.arm()
}

func (t *timer) Stop() {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.disarm()
	t.clock.timers = slices.DeleteFunc(t.clock.timers, func(other *timer) bool { return other == t })
}

// arm is called with the clock's mutex held.
func (t *timer) arm() {
	t.disarm()
	if t.at == never {
		return
	}
	// Rounded up: never early.
	wait := time.Duration(math.Ceil(float64(t.at-t.clock.read()) / t.clock.rate))
	if wait <= 0 {
		t.fire()
		return
	}
	t.alarm = time.AfterFunc(wait+t.clock.p.lateness(), t.fire)
}

func (t *timer) disarm() {
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
}

func (t *timer) fire() {
	if t.clock.p.standing.Load() {
		return // looked at again when it goes on
	}
	select {
	case t.c <- struct{}{}:
	default:
	}
}
