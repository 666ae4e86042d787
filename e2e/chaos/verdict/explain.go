package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// span is the time in which something must have happened.
type span struct{ from, to time.Duration }

func (s span) meets(other span) bool { return s.from <= other.to && other.from <= s.to }

// hits tells whether the fault concerns a replica of the lock; an empty replica
// is any.
func (f Fault) hits(lock, replica string) bool {
	return slices.Contains(f.Locks, lock) && (f.Replica == "" || replica == "" || f.Replica == replica)
}

// spent is what a fault has already ended: one leader of a replica at most.
type spent struct {
	fault   int
	lock    string
	replica string
}

// explain returns the fault by which the leader may have ended, or false. The end may
// be noted too early by the tolerance. Of several faults it is the latest that had
// begun when the leader gave its last sign of life, else the first one after that:
// on a machine that is so busy that signs of life come late, a fault that comes
// later belongs to whoever was started in between.
func (j *judge) explain(lock Lock, t term) (by Fault, found bool) {
	late := tolerance + j.verdict.Resolution
	end := span{t.last, t.last + late}
	// One that was kept from noting that it lives, and has not noted its end, ended
	// somewhen until it would have gone on.
	var mine []Fault
	for _, f := range j.log.Faults {
		if !f.hits(lock.Name, t.run.Name) {
			continue
		}
		mine = append(mine, f)
		if f.Silences && !t.run.Ended && end.meets(span{f.Began, f.Ended}) {
			end.to = max(end.to, f.Ended+late)
		}
	}
	var one spent
	for i, f := range j.log.Faults {
		ends := f.Effect == Ends && f.hits(lock.Name, t.run.Name) && end.meets(span{f.Began, f.Until})
		if mine := (spent{i, lock.Name, t.run.Name}); ends && !j.spent[mine] && (!found || nearer(f.Began, by.Began, t.last+tolerance)) {
			by, found, one = f, true, mine
		}
	}
	if found {
		j.spent[one] = true
		return by, true
	}
	for _, c := range chains(lock, mine) {
		if c.ends(lock) && end.meets(span{c.began + lock.Patience, c.until}) {
			by, found = c.worst, true
		}
	}
	return by, found
}

// before tells the faults that may have had to do with a leader's end after all, a
// line each.
func (j *judge) before(lock Lock, t term) string {
	var told strings.Builder
	near := span{t.last - 2*lock.Aftermath, t.last + tolerance}
	for _, f := range j.log.Faults {
		if f.hits(lock.Name, t.run.Name) && near.meets(span{f.Began, max(f.Ended, f.Until)}) {
			_, _ = fmt.Fprintf(&told, "\n\t%s (%s)", f, f.Effect)
		}
	}
	return told.String()
}

// nearer tells whether a, rather than b, is the latest until an instant, or the first
// after it.
func nearer(a, b, instant time.Duration) bool {
	if a <= instant {
		return b > instant || a > b
	}
	return b > instant && a < b
}

// chain is a time during which outages followed each other so closely that a
// leader has not recovered in between.
type chain struct {
	// worst is the longest of them, of outages if there are any.
	worst        Fault
	began, ended time.Duration
	// until is the last instant at which a leader may end because of it.
	until       time.Duration
	links, slow int
}

// ends tells whether a leader may have ended by the chain. Where each link was only
// slow, it takes more than two: a leader that has stood still for less than its patience
// may find one dead connection then.
func (c chain) ends(lock Lock) bool {
	return c.ended-c.began > lock.Patience && (c.slow < c.links || c.links > 2)
}

// worse tells whether a is the likelier reason of an end than b.
func worse(a, b Fault) bool {
	if a.Effect != b.Effect {
		return a.Effect == Outage
	}
	return a.Ended-a.Began > b.Ended-b.Began
}

func chains(lock Lock, faults []Fault) []chain {
	faults = slices.Clone(faults)
	slices.SortFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Began, b.Began) })
	var all []chain
	for _, f := range faults {
		if f.Effect != Outage && f.Effect != Slow {
			continue
		}
		if n := len(all); n == 0 || f.Began > all[n-1].ended+lock.Recovery {
			all = append(all, chain{began: f.Began})
		}
		c := &all[len(all)-1]
		c.ended = max(c.ended, f.Ended)
		c.until = max(c.until, f.Began+lock.Aftermath, f.Ended+lock.Recovery)
		if c.links == 0 || worse(f, c.worst) {
			c.worst = f
		}
		c.links++
		if f.Effect == Slow {
			c.slow++
		}
	}
	return all
}
