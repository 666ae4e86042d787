package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const (
	// tick is how often everything is looked at.
	tick = 5 * time.Millisecond
	// lookAround is how often the replicas are asked who leads.
	lookAround = 50 * time.Millisecond
	// progress is how often the run tells how far it is.
	progress = 30 * time.Second
	// patience is how long anything may take that is no fault.
	patience = time.Minute
	// sharedPause is the longest pause between two faults that hit all locks: most
	// of the time there is none.
	sharedPause = 15 * time.Second
)

// runner hurts the fleets and plays the kubelet. It belongs to the test's
// goroutine.
type runner struct {
	t       *testing.T
	fleets  []*fleet
	lanes   []*lane
	log     verdict.Log
	active  []*active
	dropped map[string]int // faults that found nobody, by their kind
}

// active is a fault that lasts.
type active struct {
	number int // its index in the log
	hit    hit
	after  time.Duration // of its effect
	over   time.Time
	// end undoes it. Nil: it is over when the record is written again.
	end    func() error
	ending chan error // nil until it is being undone
	asked  time.Time
}

// newRunner makes a run of the fleets; each has a lane, and all have one together.
func newRunner(t *testing.T, seed uint64, fleets []*fleet) *runner {
	r := &runner{t: t, fleets: fleets, log: verdict.Log{Seed: seed}, dropped: map[string]int{}}
	for i, f := range fleets {
		r.log.Locks = append(r.log.Locks, f.promise())
		own := slices.DeleteFunc(kinds(), func(k *kind) bool { return k.reach == hitsShared || k.store&f.store == 0 })
		r.lanes = append(r.lanes, &lane{r: r, fleet: f, schedule: newSchedule(seed, uint64(i), len(f.replicas), f.renew/2, own)})
	}
	common := slices.DeleteFunc(kinds(), func(k *kind) bool { return k.reach != hitsShared })
	r.lanes = append(r.lanes, &lane{r: r, fleet: fleets[0], shared: true, schedule: newSchedule(seed, uint64(len(fleets)), 1, sharedPause, common)})
	return r
}

func (r *runner) now() time.Duration {
	r.t.Helper()
	now, err := record.Now()
	if err != nil {
		r.t.Fatal(err)
	}
	return now
}

// run takes steps for as long as the duration says, ends all faults, and waits
// until every lock has had the time to get a leader.
func (r *runner) run(duration time.Duration) {
	r.t.Helper()
	r.log.Began = r.now()
	for _, f := range r.fleets {
		for _, one := range f.replicas {
			one.start(true)
		}
	}
	r.until(time.Now().Add(patience), r.everybodyLeads)
	stop, told := time.Now().Add(duration), time.Now()
	r.until(stop, func() bool {
		for _, l := range r.lanes {
			l.turn()
		}
		if time.Since(told) > progress {
			told = time.Now()
			fmt.Printf("%s left: %d faults, %d starts\n", time.Until(stop).Round(time.Second), len(r.log.Faults), r.starts())
		}
		return false
	})
	for _, a := range r.active {
		a.over = time.Now()
	}
	r.until(time.Now().Add(patience), func() bool { return len(r.active) == 0 })
	if len(r.active) > 0 {
		r.t.Fatalf("a fault is not over: %s", r.log.Faults[r.active[0].number])
	}
	var bound time.Duration
	for _, lock := range r.log.Locks {
		bound = max(bound, lock.Bound)
	}
	over := time.Now().Add(bound + time.Second)
	r.until(over, r.everybodyLeads)
	r.until(earlier(over, time.Now().Add(elections[0].promise().Bound)), func() bool { return false })
	r.log.Finished = r.now()
	r.until(time.Now().Add(time.Second), r.everybodyNotedIt)
}

// everybodyNotedIt tells whether all leaders have noted that they lived when all was
// over.
func (r *runner) everybodyNotedIt() bool {
	return !slices.ContainsFunc(r.fleets, func(f *fleet) bool {
		one, run := f.leader()
		return one == nil || run.Last <= r.log.Finished
	})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// calm tells whether a lock is being left alone that shared faults would hit.
func (r *runner) calm(now time.Time) bool {
	return slices.ContainsFunc(r.lanes, func(l *lane) bool { return l.fleet.store == leases && now.Before(l.alone) })
}

// free tells whether nothing that goes on stands in the way of the fault.
func (r *runner) free(h hit) bool {
	for _, a := range r.active {
		switch {
		case a.hit.kind.reach == hitsShared && (h.kind.reach == hitsShared || h.kind.edits),
			h.kind.reach == hitsShared && a.end == nil,
			h.kind.quiet && a.hit.fleet == h.fleet,
			share(a.hit.kind.parts, h.kind.parts) && share(a.hit.replicas, h.replicas):
			return false
		}
	}
	return !h.kind.quiet || r.recovered(h.fleet) && h.fleet.settled() && (!h.kind.between || h.fleet.between())
}

// recovered tells whether the leader of a fleet has had the time to get over what kept
// it from its store.
func (r *runner) recovered(f *fleet) bool {
	lock, now := f.promise(), r.now()
	return !slices.ContainsFunc(r.log.Faults, func(fault verdict.Fault) bool {
		return (fault.Effect == verdict.Outage || fault.Effect == verdict.Slow) &&
			slices.Contains(fault.Locks, lock.Name) && now < fault.Ended+lock.Recovery
	})
}

// share tells whether both have something.
func share[E comparable](a, b []E) bool {
	return slices.ContainsFunc(a, func(one E) bool { return slices.Contains(b, one) })
}

// until plays the kubelet and undoes faults until the condition holds, or it is
// time.
func (r *runner) until(limit time.Time, holds func() bool) {
	r.t.Helper()
	for !holds() && time.Now().Before(limit) {
		r.look()
		time.Sleep(tick)
	}
}

// look does what is due.
func (r *runner) look() {
	r.t.Helper()
	for _, f := range r.fleets {
		// Whoever started now would be a candidate that has never seen the Lease
		// that is being written again.
		unwritten := slices.ContainsFunc(r.active, func(a *active) bool { return a.end == nil && a.hit.fleet == f })
		for _, one := range f.replicas {
			switch {
			case one.container != nil && !one.running():
				one.bury()
			case one.container == nil && !unwritten && time.Now().After(one.restart):
				one.start(true)
			}
		}
	}
	r.active = slices.DeleteFunc(r.active, func(a *active) bool {
		over, err := a.isOver()
		if err != nil {
			r.t.Fatalf("undo %s: %v", r.log.Faults[a.number], err)
		}
		if over {
			fault := &r.log.Faults[a.number]
			fault.Ended = r.now()
			fault.Until = fault.Ended + a.after
		}
		return over
	})
}

// isOver begins to undo the fault when it is time, and tells whether that is done.
func (a *active) isOver() (bool, error) {
	switch {
	case a.end == nil:
		if time.Since(a.asked) < lookAround {
			return false, nil
		}
		a.asked = time.Now()
		return a.hit.fleet.written(), nil
	case a.ending != nil:
		select {
		case err := <-a.ending:
			return true, err
		default:
		}
	case time.Now().After(a.over):
		a.ending = make(chan error, 1)
		go func() { a.ending <- a.end() }()
	}
	return false, nil
}

func (r *runner) everybodyLeads() bool {
	for _, f := range r.fleets {
		if one, _ := f.leader(); one == nil {
			return false
		}
	}
	return true
}

func (r *runner) starts() (count int) {
	for _, f := range r.fleets {
		for _, run := range f.all() {
			if !strings.Contains(run.Name, "'s ") {
				count++
			}
		}
	}
	return count
}
