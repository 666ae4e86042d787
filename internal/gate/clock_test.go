package gate

import (
	"math"
	"sync"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// never is an instant that no clock reaches.
const never = time.Duration(math.MaxInt64)

// bubbleClock is an elector.Clock over the bubble's time. It can run at another
// rate, and jump as CLOCK_BOOTTIME does over a suspend.
type bubbleClock struct {
	start time.Time
	rate  float64
	// late is how much later than asked for a timer fires.
	late func() time.Duration

	mu     sync.Mutex
	offset time.Duration
	timers map[*bubbleTimer]struct{}
}

func newClock(rate float64) *bubbleClock {
	return &bubbleClock{
		start: time.Now(), rate: rate, late: func() time.Duration { return 0 },
		offset: 1000 * time.Second, timers: map[*bubbleTimer]struct{}{},
	}
}

func (c *bubbleClock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *bubbleClock) read() time.Duration {
	return c.offset + time.Duration(float64(time.Since(c.start))*c.rate)
}

func (c *bubbleClock) NewTimer() elector.Timer {
	t := &bubbleTimer{clock: c, c: make(chan struct{}, 1), at: never}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers[t] = struct{}{}
	return t
}

// jump moves the reading and wakes whose instant has passed.
func (c *bubbleClock) jump(d time.Duration) {
	c.jumpUnnoticed(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.timers {
		t.arm()
	}
}

// jumpUnnoticed moves the reading and wakes nobody, as if the goroutines that
// wait for the timers were not run yet.
func (c *bubbleClock) jumpUnnoticed(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type bubbleTimer struct {
	clock *bubbleClock
	c     chan struct{}
	at    time.Duration
	alarm *time.Timer
}

func (t *bubbleTimer) C() <-chan struct{} { return t.c }

func (t *bubbleTimer) Reset(at time.Duration) {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.at = at
	t.arm()
}

func (t *bubbleTimer) Stop() {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.alarm != nil {
		t.alarm.Stop()
	}
	delete(t.clock.timers, t)
}

// arm is called with the clock's mutex held.
func (t *bubbleTimer) arm() {
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
	left := t.at - t.clock.read()
	switch {
	case t.at == never:
	case left <= 0:
		t.fire()
	default:
		// Rounded up: never early.
		wait := time.Duration(math.Ceil(float64(left) / t.clock.rate))
		t.alarm = time.AfterFunc(wait+t.clock.late(), t.fire)
	}
}

func (t *bubbleTimer) fire() {
	select {
	case t.c <- struct{}{}:
	default:
	}
}
