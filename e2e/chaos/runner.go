package chaos

import (
	"errors"
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
	// leaderless is how long a fault waits for a leader to hit.
	leaderless = time.Second
	// progress is how often the run tells how far it is.
	progress = 30 * time.Second
)

// runner takes a schedule's steps, one after the other, and plays the kubelet.
// It belongs to the test's goroutine.
type runner struct {
	t       *testing.T
	fleets  []*fleet
	log     verdict.Log
	active  []*active
	dropped map[string]int // faults that found nobody, by their kind
}

// active is a fault that lasts, or that all wait for to be over.
type active struct {
	number int // its index in the log
	hit    hit
	over   time.Time
	end    func() error
	ending chan error // nil until it is being undone
	// settle: it is over when all replicas know their leader again.
	settle bool
	asked  time.Time
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
func (r *runner) run(s *schedule, duration time.Duration) {
	r.t.Helper()
	r.log.Began = r.now()
	for _, f := range r.fleets {
		r.log.Locks = append(r.log.Locks, f.promise())
		for _, one := range f.replicas {
			one.start(true)
		}
	}
	r.until(time.Now().Add(patience), r.everybodyLeads)
	stop := time.Now().Add(duration)
	told := time.Now()
	for time.Now().Before(stop) {
		one := s.next()
		if one.calm > 0 {
			r.until(stop, func() bool { return len(r.active) == 0 })
			r.wait(min(time.Until(stop), calms[one.calm]))
		}
		r.wait(min(time.Until(stop), one.pause))
		if !time.Now().Before(stop) {
			break
		}
		r.take(one, stop)
		if time.Since(told) > progress {
			told = time.Now()
			fmt.Printf("%s left: %d faults, %d starts\n", time.Until(stop).Round(time.Second), len(r.log.Faults), r.starts())
		}
	}
	for _, a := range r.active {
		a.over = time.Now()
	}
	r.until(time.Now().Add(patience), func() bool { return len(r.active) == 0 })
	if len(r.active) > 0 {
		r.t.Fatalf("a fault cannot be undone: %s", r.log.Faults[r.active[0].number])
	}
	over := time.Now()
	r.until(over.Add(calms[2]), r.everybodyLeads)
	r.wait(calms[1] - time.Since(over))
	r.log.Finished = r.now()
	r.wait(10 * tick) // who lives notes it
}

// calms are how long all are left alone: never, so that short leases must have a
// leader, and so that all must.
var calms = [...]time.Duration{0, elections[0].promise().Bound + time.Second, elections[2].promise().Bound + time.Second}

// take waits until the step can be done, and does it.
func (r *runner) take(one step, stop time.Time) {
	r.t.Helper()
	h := hit{step: one, fleet: r.fleets[one.election]}
	if one.kind.reach == hitsShared {
		h.fleet = r.fleets[0]
	}
	began := time.Now()
	found := false
	r.until(earlier(stop, began.Add(patience)), func() bool {
		h.replicas = r.find(h, time.Since(began) > leaderless)
		found = len(h.replicas) > 0 && r.free(h)
		return found
	})
	if !found {
		r.dropped[one.kind.name]++
		return
	}
	fault := verdict.Fault{Number: len(r.log.Faults) + 1, Kind: one.kind.name, Locks: []string{h.fleet.name}, Began: r.now(), Silences: one.kind.part == "command"}
	if one.kind.reach == hitsShared {
		fault.Locks = nil
		for _, f := range r.fleets {
			if f.store == leases {
				fault.Locks = append(fault.Locks, f.name)
			}
		}
	} else if len(h.replicas) == 1 && len(h.fleet.replicas) > 1 {
		fault.Replica = h.replicas[0].name
	}
	end, err := one.kind.begin(h)
	if errors.Is(err, errNobody) {
		r.dropped[one.kind.name]++
		return
	}
	if err != nil {
		r.t.Fatalf("%s: %v", fault, err)
	}
	var after time.Duration
	fault.Effect, after = one.kind.effect(h)
	fault.Ended = r.now()
	fault.Until = fault.Ended + after
	r.log.Faults = append(r.log.Faults, fault)
	a := &active{number: len(r.log.Faults) - 1, hit: h, end: end, over: time.Now().Add(h.hold()), settle: one.kind.quiet}
	switch {
	case end != nil:
		r.active = append(r.active, a)
	case a.settle:
		r.active = append(r.active, a)
		r.until(time.Now().Add(patience), func() bool { return !slices.Contains(r.active, a) })
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// find returns who is hit now; nobody: not yet.
func (r *runner) find(h hit, hurry bool) []*replica {
	f := h.fleet
	first, _ := f.leader()
	if first == nil && hurry {
		first = f.lastLead // who may lead without a command, or is being restarted
	}
	switch {
	case h.kind.reach == hitsShared:
		var all []*replica
		for _, f := range r.fleets {
			if f.store == leases {
				all = append(all, f.replicas...)
			}
		}
		return all
	case h.whom == all:
		if slices.ContainsFunc(f.replicas, func(one *replica) bool { return !one.running() }) {
			return nil
		}
		return f.replicas
	case h.whom == 0:
		if first == nil || !first.running() {
			return nil
		}
		return []*replica{first}
	}
	var standbys []*replica
	for _, one := range f.replicas {
		if one != first && one.running() {
			standbys = append(standbys, one)
		}
	}
	if len(standbys) == 0 {
		return nil
	}
	return standbys[(h.whom-1)%len(standbys) : (h.whom-1)%len(standbys)+1]
}

// free tells whether nothing that goes on stands in the way of the fault.
func (r *runner) free(h hit) bool {
	sharedNow := slices.ContainsFunc(r.active, func(a *active) bool { return a.hit.kind.reach == hitsShared })
	if sharedNow && (h.kind.reach == hitsShared || h.kind.edits) {
		return false
	}
	for _, a := range r.active {
		if h.kind.quiet && a.hit.fleet == h.fleet {
			return false
		}
		if a.hit.kind.part == "" || a.hit.kind.part != h.kind.part {
			continue
		}
		for _, one := range h.replicas {
			if slices.Contains(a.hit.replicas, one) {
				return false
			}
		}
	}
	return !h.kind.quiet || h.fleet.settled()
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

func (r *runner) wait(d time.Duration) {
	r.t.Helper()
	r.until(time.Now().Add(d), func() bool { return false })
}

// look does what is due.
func (r *runner) look() {
	r.t.Helper()
	for _, f := range r.fleets {
		// Whoever starts now would be a candidate that has never seen the Lease
		// that is being written again.
		unwritten := slices.ContainsFunc(r.active, func(a *active) bool { return a.settle && a.hit.fleet == f })
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
		switch {
		case a.settle:
			return r.settled(a)
		case a.ending == nil && time.Now().After(a.over):
			a.ending = make(chan error, 1)
			go func() { a.ending <- a.end() }()
		case a.ending != nil:
			select {
			case err := <-a.ending:
				fault := &r.log.Faults[a.number]
				if err != nil {
					r.t.Fatalf("undo %s: %v", fault, err)
				}
				after := fault.Until - fault.Ended
				fault.Ended = r.now()
				fault.Until = fault.Ended + after
				return true
			default:
			}
		}
		return false
	})
}

// settled tells whether the lock's record is written again, and known to all.
func (r *runner) settled(a *active) bool {
	if time.Since(a.asked) < lookAround {
		return false
	}
	a.asked = time.Now()
	if !a.hit.fleet.written() {
		return false
	}
	r.log.Faults[a.number].Ended = r.now()
	return true
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
