package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// world is one schedule.
type world struct {
	t       *testing.T
	seed    uint64
	verbose bool
	start   time.Time
	// lease is the lease duration of most.
	lease time.Duration
	// old: an older tool takes part.
	old   bool
	lives sync.WaitGroup

	// mu covers all that follows, and all of store, judge and processes. Nothing
	// is waited for while it is held.
	mu        sync.Mutex
	calm      bool // nothing more is done to anybody
	over      bool
	store     *store
	judge     *judge
	processes []*process
	births    int
	// blanked is when the lock was last deleted or emptied by hand, handmade when
	// our annotations were last changed.
	blanked, handmade time.Duration
	events            []event
}

// event is one line of the trace.
type event struct {
	at     time.Duration
	who    string
	format string
	args   []any
}

func (e event) String() string {
	return fmt.Sprintf("%11.4fs  %-10s %s", e.at.Seconds(), e.who, fmt.Sprintf(e.format, e.args...))
}

// now is true time.
func (w *world) now() time.Duration { return time.Since(w.start) }

// trace is called with the mutex held.
func (w *world) trace(who, format string, args ...any) {
	w.events = append(w.events, event{w.now(), who, format, args})
}

// outcome of a schedule.
type result struct {
	seed   uint64
	wrong  []string
	events []event
	counts counts
}

// story is the trace, or what of it led to the first wrong.
func (r result) story(last int) string {
	events := r.events
	if i := slices.IndexFunc(events, func(e event) bool { return e.who == "JUDGE" }); i >= 0 && last < len(events) {
		events = events[:i+1]
	}
	if len(events) > last {
		events = events[len(events)-last:]
	}
	var text strings.Builder
	for _, e := range events {
		fmt.Fprintln(&text, e)
	}
	return text.String()
}

// print identifies the story.
func (r result) print() uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(r.story(len(r.events))))
	return sum.Sum64()
}

// simulate runs one schedule in a bubble.
func simulate(t *testing.T, seed uint64, verbose bool) (r result) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, seed: seed, verbose: verbose, start: time.Now()}
		w.store = newStore(w)
		w.judge = &judge{w: w}
		w.run()
		w.mu.Lock() // a process that was killed may still be ending
		defer w.mu.Unlock()
		w.judge.counts.schedules = 1
		r = result{seed, w.judge.wrong, w.events, w.judge.counts}
	})
	return r
}

// rate is that of a clock, within 1 %, and often at the limit.
func rate(d *dice) float64 {
	return pick(d, 0.99, 1.01, 0.99+0.02*d.float())
}

// pod draws a Pod. The durations are legal, and mostly everybody's.
func (w *world) pod(name string, lease time.Duration, d *dice) pod {
	latest := lease - elector.KillMargin(lease)
	deadline := min(2*lease/3, 9*latest/10)
	retry := 2 * lease / 15
	if d.in(0.3) {
		deadline = time.Duration((0.5 + 0.45*d.float()) * float64(latest))
		retry = time.Duration((0.15 + 0.3*d.float()) * float64(deadline))
	}
	if w.old {
		deadline, retry = 2*lease/3, max(2*lease/15, time.Second)
	}
	return pod{
		identity: name, boot: "boot-" + name, uid: "uid-" + name, netns: 4026531840 + d.next()%1000000,
		init: d.in(0.8), rate: rate(d),
		bootOrigin: d.below(time.Hour), otherOrigin: d.below(time.Hour),
		wall:  d.between(-time.Hour, time.Hour),
		lease: lease, deadline: deadline, retry: retry,
		distance: min(pick(d, 2*time.Millisecond, 20*time.Millisecond), lease/200),
	}
}

// run is the schedule: a storm, and then calm for as long as it takes to lead.
func (w *world) run() {
	d := w.dice("world", "plan")
	w.old = d.in(0.15)
	w.lease = pick(d, time.Second, 1500*time.Millisecond, 1900*time.Millisecond, 2700*time.Millisecond, 5*time.Second, 15*time.Second)
	mixed := d.in(0.25)
	if w.old {
		w.lease, mixed = pick(d, 8*time.Second, 15*time.Second), false
	}
	stormy, pass := context.WithCancel(context.Background())
	for i := range 2 + d.of(3) {
		lease := w.lease
		if mixed && d.in(0.5) {
			lease = time.Duration((0.6 + d.float()) * float64(w.lease))
			lease = max(lease, time.Second)
		}
		of := w.pod(string(rune('a'+i)), lease, d)
		w.lives.Go(func() {
			// They do not all come at once.
			if electortest.Sleep(stormy, w.dice(of.identity, "arrival").below(w.lease)) == nil || i == 0 {
				w.live(of, false)
			}
		})
	}
	if w.old {
		of := w.pod("old", w.lease, d)
		of.old = true
		w.lives.Go(func() { w.liveOld(of) })
	}
	time.AfterFunc(d.between(3*w.lease, 10*w.lease), pass)
	w.storm(stormy)
	synctest.Wait()
	// Somebody leads then; somebody may go on labelling the lock meanwhile.
	labels := d.in(0.5)
	w.mu.Lock()
	patience := 2*w.judge.longest + 3*w.lease + 2*time.Second
	w.calm = true
	w.trace("world", "calm")
	w.mu.Unlock()
	begun := w.now()
	for settled := false; !settled && w.now() < begun+patience; {
		time.Sleep(w.lease / 3)
		w.mu.Lock()
		settled = w.now() > begun+w.lease && w.judge.led()
		if labels {
			w.vandalize(d, relabelling)
		}
		w.mu.Unlock()
	}
	w.mu.Lock()
	w.judge.look()
	w.over = true
	w.trace("world", "ends")
	for _, p := range w.processes {
		p.crash()
	}
	w.mu.Unlock()
	w.lives.Wait()
	// What is on its way still.
	time.Sleep(4 * w.lease)
}

// live is a Pod's life: one container after the other. once: the first is the
// last.
func (w *world) live(of pod, once bool) {
	for {
		w.mu.Lock()
		if w.over {
			w.mu.Unlock()
			return
		}
		if !w.mayStart() {
			w.mu.Unlock()
			time.Sleep(w.lease / 4)
			continue
		}
		p := w.newProcess(of)
		d := w.dice(p.name, "life")
		if d.in(0.5) {
			p.roughness = 0.02 * d.float()
		}
		w.mu.Unlock()
		p.run()
		if once {
			return
		}
		time.Sleep(d.below(w.lease))
		switch x := d.float(); {
		case x < 0.5: // the container is started again
			of.wall = p.wall
			since := p.holder
			of.bootOrigin, of.otherOrigin = since.offset, p.candidate.offset
		case x < 0.75: // another Pod of the same name
			of = d.again(of)
		default:
			of = w.pod(fmt.Sprintf("%s%d", of.identity[:1], w.now().Milliseconds()), of.lease, d)
		}
	}
}

// mayStart: who starts after the lock was deleted or emptied by hand, and has
// not seen the holder, is outside of the promise.
func (w *world) mayStart() bool {
	if w.blanked == 0 || w.store.object != nil && w.store.object.record.HolderIdentity != "" {
		return true
	}
	longest := time.Duration(1.03 * float64(w.judge.longest))
	return w.now() > w.blanked+longest
}
