package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// pace is how often the client asks, if it is answered at once.
const pace = 20 * time.Millisecond

// client reads one key over and over, and notes for how long nobody answers.
type client struct {
	ask     asker
	key     string
	want    string
	timeout time.Duration // of one question
	stopped chan struct{}

	mu   sync.Mutex
	seen seen
}

// seen is what the client has met with.
type seen struct {
	answers int
	// wrong is an answer that was not what the key holds; empty: there was none.
	wrong string
	// last is when the last answer came.
	last time.Time
	// gap is the longest time between two answers since the last measure.
	gap time.Duration
}

// startClient lets it read until ctx ends.
func startClient(ctx context.Context, ask asker, timeout time.Duration, key, want string) *client {
	c := &client{ask: ask, key: key, want: want, timeout: timeout, stopped: make(chan struct{})}
	c.seen.last = time.Now()
	go func() {
		defer close(c.stopped)
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for ctx.Err() == nil {
			c.read(ctx)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	return c
}

func (c *client) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.ask(ctx, "GET", c.key)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.seen.answers++
	c.seen.gap = max(c.seen.gap, now.Sub(c.seen.last))
	c.seen.last = now
	if !slices.Equal(answer, []string{c.want}) {
		c.seen.wrong = fmt.Sprintf("%q", answer)
	}
}

// measure begins to look for the longest gap anew, from the last answer on.
func (c *client) measure() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.gap = 0
}

// report is what it has met with so far.
func (c *client) report() seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}
