package chaos

import (
	"errors"
	"slices"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
)

// lane takes the steps of one schedule, in their order. It belongs to the test's
// goroutine.
type lane struct {
	r        *runner
	schedule *schedule
	// fleet is whom it hits; of the lane that hits all, the first.
	fleet  *fleet
	shared bool
	step   *step // nil: the next one is to be drawn
	calm   bool  // still to come before the step
	due    time.Time
	// alone is until when nothing may be done to the lock, by any lane.
	alone time.Time
	// writing is the fault after which the record has to be written again before
	// the next step.
	writing *active
}

// hit is a step whose target has been found.
type hit struct {
	step
	fleet    *fleet
	replicas []*replica
}

// turn does the next step if it can be done now.
func (l *lane) turn() {
	l.r.t.Helper()
	now := time.Now()
	if l.step == nil {
		one := l.schedule.next()
		l.step, l.calm, l.due = &one, one.calm && !l.shared, now.Add(one.pause)
	}
	if l.writing != nil {
		if slices.Contains(l.r.active, l.writing) {
			return
		}
		l.writing, l.due = nil, now.Add(l.step.pause)
	}
	if l.calm {
		if l.busy() {
			return
		}
		l.calm, l.due = false, now.Add(l.fleet.promise().Bound+time.Second)
		l.alone = l.due
	}
	if l.shared && l.r.calm(now) && now.After(l.due) {
		l.due = now
		return
	}
	if now.Before(l.due) {
		return
	}
	h := hit{step: *l.step, fleet: l.fleet}
	h.replicas = l.find(now.Sub(l.due) > leaderless)
	if len(h.replicas) > 0 && l.r.free(h) {
		l.do(h)
		l.step = nil
	} else if now.Sub(l.due) > patience {
		l.r.dropped[h.kind.name]++
		l.step = nil
	}
}

// busy tells whether a fault goes on that concerns the lane's lock.
func (l *lane) busy() bool {
	return slices.ContainsFunc(l.r.active, func(a *active) bool {
		return a.hit.fleet == l.fleet || a.hit.kind.reach == hitsShared && l.fleet.store == leases
	})
}

// leaderless is how long a fault waits for a leader to hit.
const leaderless = time.Second

// find returns who is hit by the step; nobody: not yet.
func (l *lane) find(hurry bool) []*replica {
	if l.shared {
		var all []*replica
		for _, f := range l.r.fleets {
			if f.store == leases {
				all = append(all, f.replicas...)
			}
		}
		return all
	}
	f := l.fleet
	var up []*replica
	for _, one := range f.replicas {
		if one.running() {
			up = append(up, one)
		}
	}
	first, _ := f.leader()
	if first == nil && hurry {
		first = f.lastLead // who may lead without a command, or is being restarted
	}
	switch whom := l.step.whom; {
	case whom == all && len(up) < len(f.replicas), whom == 0 && !slices.Contains(up, first):
		return nil
	case whom == all:
		return f.replicas
	case whom == 0:
		return []*replica{first}
	default:
		up = slices.DeleteFunc(up, func(one *replica) bool { return one == first })
		if len(up) == 0 {
			return nil
		}
		return []*replica{up[(whom-1)%len(up)]}
	}
}

// do begins the fault and notes it.
func (l *lane) do(h hit) {
	r := l.r
	r.t.Helper()
	fault := verdict.Fault{
		Number: len(r.log.Faults) + 1, Kind: h.kind.name, Locks: []string{h.fleet.name},
		Began: r.now(), Silences: h.kind.silences, Freezes: h.kind.freezes,
	}
	if l.shared {
		fault.Locks = nil
		for _, f := range r.fleets {
			if f.store == leases {
				fault.Locks = append(fault.Locks, f.name)
			}
		}
	} else if h.whom != all {
		fault.Replica = h.replicas[0].name
	}
	end, err := h.kind.begin(h)
	if errors.Is(err, errNobody) {
		r.dropped[h.kind.name]++
		return
	}
	if err != nil {
		r.t.Fatalf("%s: %v", fault, err)
	}
	effect, after := h.kind.effect(h)
	fault.Effect, fault.Ended = effect, r.now()
	fault.Until = fault.Ended + after
	r.log.Faults = append(r.log.Faults, fault)
	if end == nil && !h.kind.quiet {
		return
	}
	a := &active{number: len(r.log.Faults) - 1, hit: h, end: end, after: after, over: time.Now().Add(h.hold())}
	r.active = append(r.active, a)
	if h.kind.quiet {
		l.writing = a
	}
}
