package elector

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// The durations that most tests elect with.
const (
	lease    = 15 * time.Second
	deadline = 10 * time.Second
	retry    = 2 * time.Second
	margin   = lease / 10
	// blink is far longer than a few requests take here, and far shorter than
	// any duration of the election.
	blink = 100 * time.Millisecond
)

// fakeClock is a Clock over the bubble's time.
type fakeClock struct{ *electortest.Clock }

func newFakeClock(rate float64) *fakeClock { return &fakeClock{electortest.NewClock(rate)} }

func (c *fakeClock) NewTimer() Timer { return c.Clock.NewTimer() }

// logbook keeps what was logged.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }
func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&line, " %s=%v", a.Key, a.Value)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line.String())
	return nil
}

func (l *logbook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// world is a bubble with a server and the processes that elect through it.
type world struct {
	t      *testing.T
	start  time.Time
	server *server
	nodes  int
}

// inBubble runs f in a bubble of its own. All that f leaves running is ended
// after it; what does not end is reported by the bubble.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f(t, &world{t: t, start: start, server: newServer(start)})
	})
}

// now is the time since the bubble's start.
func (w *world) now() time.Duration { return time.Since(w.start) }

// at waits for an instant and until everything that is due at it is done.
func (w *world) at(instant time.Duration) {
	w.t.Helper()
	if instant < w.now() {
		w.t.Fatalf("the test waits for %v at %v", instant, w.now())
	}
	time.Sleep(instant - w.now())
	synctest.Wait()
}

// after waits for a duration and until everything that is due then is done.
func (w *world) after(d time.Duration) { w.t.Helper(); w.at(w.now() + d) }

// node is one process with its own connection and its own clocks.
type node struct {
	*Elector
	t         *testing.T
	w         *world
	client    *client
	boot      *fakeClock
	monotonic *fakeClock
	log       *logbook

	quit context.CancelFunc

	mu       sync.Mutex
	requests []Request
	terms    []*Term
}

// process makes the Instance of a gate that is PID 1 in a container of its own.
func process(name string) Instance {
	return Instance{Process: name, BootID: "boot", NetNS: 4026531840, PodUID: "uid-" + name, Init: true, Exclusive: true}
}

// node starts a process of that name; `change` alters its configuration.
func (w *world) node(name string, change ...func(*Config)) *node {
	w.t.Helper()
	w.nodes++
	n := &node{t: w.t, w: w, client: w.server.connect(name), log: &logbook{}}
	c := Config{
		Lock:          n.client,
		Identity:      name,
		Instance:      process(fmt.Sprintf("%s/%d", name, w.nodes)),
		LeaseDuration: lease,
		RenewDeadline: deadline,
		RetryPeriod:   retry,
		Jitter:        func() float64 { return 0.5 },
		Logger:        slog.New(n.log),
		Requests: func(r Request) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.requests = append(n.requests, r)
		},
		HolderClock:    newFakeClock(1),
		CandidateClock: newFakeClock(1),
	}
	for _, f := range change {
		f(&c)
	}
	n.boot, n.monotonic = c.HolderClock.(*fakeClock), c.CandidateClock.(*fakeClock)
	e, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	n.Elector = e
	ctx, quit := context.WithCancel(context.Background())
	n.quit = quit
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		if err := e.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	w.t.Cleanup(func() {
		n.mu.Lock()
		terms := slices.Clone(n.terms)
		n.mu.Unlock()
		for _, term := range terms {
			select {
			case <-term.closing:
			default:
				term.Abandon()
			}
		}
		quit()
		<-ran
	})
	return n
}

// campaign is a Campaign under way.
type campaign struct {
	n    *node
	stop context.CancelCauseFunc
	done chan struct{}
	term *Term
	err  error
	// ended is when Campaign returned.
	ended time.Duration
}

func (n *node) campaign() *campaign {
	ctx, stop := context.WithCancelCause(context.Background())
	c := &campaign{n: n, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.term, c.err = n.Campaign(ctx)
		c.ended = n.w.now()
		if c.term != nil {
			n.mu.Lock()
			n.terms = append(n.terms, c.term)
			n.mu.Unlock()
		}
	}()
	// Ended here so that a failed test leaves nothing behind in the bubble.
	n.t.Cleanup(func() { stop(context.Canceled); <-c.done })
	return c
}

// elected waits for the term; it fails the test if there is none by `within`.
func (c *campaign) elected(within time.Duration) *Term {
	c.n.t.Helper()
	select {
	case <-c.done:
	case <-time.After(within):
		c.n.t.Fatalf("at %v: %s is not elected after %v; requests:\n%s", c.n.w.now(), c.n.Identity, within, c.n.w.server.story())
	}
	if c.err != nil {
		c.n.t.Fatalf("Campaign: %v", c.err)
	}
	synctest.Wait()
	return c.term
}

// lead has the process elected, at once.
func (n *node) lead() *Term {
	n.t.Helper()
	return n.campaign().elected(blink)
}

func closed(past <-chan struct{}) bool {
	select {
	case <-past:
		return true
	default:
		return false
	}
}

// moment records when a channel is closed, in the bubble's time.
func (w *world) moment(past <-chan struct{}) func() (time.Duration, bool) {
	var at atomic.Int64
	at.Store(-1)
	quit := make(chan struct{})
	go func() {
		select {
		case <-past:
			at.Store(int64(w.now()))
		case <-quit:
		}
	}()
	w.t.Cleanup(func() { close(quit) })
	return func() (time.Duration, bool) {
		d := time.Duration(at.Load())
		return d, d >= 0
	}
}

// wantAt checks that a channel was closed at an instant.
func wantAt(t *testing.T, what string, got func() (time.Duration, bool), want time.Duration) {
	t.Helper()
	switch at, ok := got(); {
	case !ok:
		t.Errorf("%s: not yet, want %v", what, want)
	case at < want || at > want+time.Microsecond:
		t.Errorf("%s at %v, want %v", what, at, want)
	}
}

// wantBetween checks that an instant lies in [from, to].
func wantBetween(t *testing.T, what string, got, from, to time.Duration) {
	t.Helper()
	if got < from || got > to {
		t.Errorf("%s at %v, want between %v and %v", what, got, from, to)
	}
}

// dice are random numbers from a seed, for several goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, 7))} }

func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

// below is a duration in [0,most).
func (d *dice) below(most time.Duration) time.Duration {
	return time.Duration(d.float() * float64(most))
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
