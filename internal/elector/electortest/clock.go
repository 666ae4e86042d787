package electortest

import (
	"math"
	"sync"
	"time"
)

// never is an instant that no clock reaches.
const never = time.Duration(math.MaxInt64)

// Clock is elector.Clock over the bubble's time, but for the type of its timers.
// It can run at another rate than the bubble, and jump as CLOCK_BOOTTIME does over
// a suspend. Any goroutine may use it.
type Clock struct {
	// Late, where it is set before any timer is, says how much later than asked
	// for a timer fires.
	Late func() time.Duration

	start time.Time
	rate  float64

	mu     sync.Mutex
	offset time.Duration
	resets int
	timers map[*Timer]struct{}
}

// NewClock returns a clock whose origin lies in the past, as that of a machine
// that has been up for some time.
func NewClock(rate float64) *Clock {
	return &Clock{start: time.Now(), rate: rate, offset: 1000 * time.Second, timers: map[*Timer]struct{}{}}
}

// Now is the clock's reading.
func (c *Clock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *Clock) read() time.Duration {
	return c.offset + time.Duration(float64(time.Since(c.start))*c.rate)
}

// NewTimer returns a timer that is not armed.
func (c *Clock) NewTimer() *Timer {
	t := &Timer{clock: c, c: make(chan struct{}, 1), at: never}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers[t] = struct{}{}
	return t
}

// Jump moves the reading and wakes whose instant has passed.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	for t := range c.timers {
		t.arm()
	}
}

// JumpUnnoticed moves the reading and leaves the timers as they are, as if the
// goroutines that wait for them were not run yet.
func (c *Clock) JumpUnnoticed(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// Resets is how often a timer was armed: once for each time that a loop came
// round.
func (c *Clock) Resets() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resets
}

// Timers is how many timers were not stopped.
func (c *Clock) Timers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// Timer is elector.Timer on a Clock.
type Timer struct {
	clock *Clock
	c     chan struct{}
	at    time.Duration
	alarm *time.Timer
}

// C delivers when the instant last set has passed.
func (t *Timer) C() <-chan struct{} { return t.c }

// Reset arms the timer for an instant.
func (t *Timer) Reset(at time.Duration) {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.clock.resets++
	t.at = at
	t.arm()
}

// Stop frees the timer.
func (t *Timer) Stop() {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.disarm()
	delete(t.clock.timers, t)
}

// arm is called with the clock's mutex held.
func (t *Timer) arm() {
	t.disarm()
	left := t.at - t.clock.read()
	switch {
	case t.at == never:
	case left <= 0:
		t.fire()
	default:
		// Rounded up: never early.
		wait := time.Duration(math.Ceil(float64(left) / t.clock.rate))
		if t.clock.Late != nil {
			wait += t.clock.Late()
		}
		t.alarm = time.AfterFunc(wait, t.fire)
	}
}

func (t *Timer) disarm() {
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
}

// fire leaves an old wake-up in place, which the contract of elector.Timer allows.
func (t *Timer) fire() {
	select {
	case t.c <- struct{}{}:
	default:
	}
}
