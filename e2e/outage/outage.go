// Package outage measures for how long a server did not answer, as a client sees
// it that asks at short intervals whatever became of its earlier questions. The
// end-to-end tests put it before a Service while they hurt what is behind.
package outage

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Client asks again and again. Its methods may be called from any goroutine.
type Client struct {
	stop  context.CancelFunc
	asked sync.WaitGroup

	mu       sync.Mutex
	answered []time.Time

	// paused is the longest time between two questions; of the goroutine that asks.
	paused time.Duration
}

// Start asks at each interval, which must be positive, until Stop. Each question
// has a goroutine of its own, so that one that hangs delays no other; ask must
// return when its context ends, and must bound its time by itself. What it
// returns with nil is an answer, at the time of its return.
func Start(ctx context.Context, interval time.Duration, ask func(context.Context) error) *Client {
	ctx, stop := context.WithCancel(ctx)
	c := &Client{stop: stop}
	c.asked.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.paused = max(c.paused, time.Since(last))
				last = time.Now()
				c.asked.Go(func() {
					if ask(ctx) == nil {
						c.note(time.Now())
					}
				})
			}
		}
	})
	return c
}

func (c *Client) note(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = append(c.answered, at)
}

// Answers is how many answers there were so far.
func (c *Client) Answers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.answered)
}

// Stop ends the questions and returns the longest time between two answers that
// follow each other; where nothing is wrong that is about the interval. What came
// before the first answer and after the last one does not count, so wait for
// answers, after the start and before the stop.
//
// It returns as well for how long the client itself did not ask, at most. Where
// that is more than a few intervals, the client was not running, and what it has
// measured is worth nothing.
func (c *Client) Stop() (longest, paused time.Duration) {
	c.stop()
	c.asked.Wait()
	slices.SortFunc(c.answered, time.Time.Compare) // noted in any order
	for i := 1; i < len(c.answered); i++ {
		longest = max(longest, c.answered[i].Sub(c.answered[i-1]))
	}
	return longest, c.paused
}
