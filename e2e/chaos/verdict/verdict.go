package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// Verdict is what a run has shown. It passes if nothing was found (Problems).
type Verdict struct {
	// Starts is how often a command was started, HandOvers how often after
	// another one's end.
	Starts    int `json:"starts"`
	HandOvers int `json:"handOvers"`
	// What was found, told in a line each; an unexplained end with a line more for each
	// fault before it.
	Overlaps    []string `json:"overlaps"`
	Tokens      []string `json:"tokens"`
	Unexplained []string `json:"unexplained"`
	Leaderless  []string `json:"leaderless"`
	// Thaws is how often a command that had been frozen together with all that
	// might have ended it noted that it lived while the next one did: until it was
	// ended, as nobody can promise otherwise. Thawed is the longest such time.
	Thaws  int           `json:"thaws"`
	Thawed time.Duration `json:"thawed"`
	// Kinds are in the order of their names.
	Kinds []Kind `json:"kinds"`
	// Locks are in the order of the log.
	Locks []LockFigures `json:"locks"`
	// Resolution is the longest silence of a command that nothing kept silent: an
	// overlap that was shorter may not have been seen.
	Resolution time.Duration `json:"resolution"`
}

// Kind is what faults of one kind did.
type Kind struct {
	Kind   string `json:"kind"`
	Effect Effect `json:"effect"`
	// Faults is how many there were, Ended how many leaders ended by one.
	Faults int `json:"faults"`
	Ended  int `json:"ended"`
	// Longest is the longest time without a leader after such an end, from the
	// later of the leader's last sign of life and the fault's end.
	Longest time.Duration `json:"longest"`
}

// LockFigures are those of one lock.
type LockFigures struct {
	Lock      string `json:"lock"`
	Starts    int    `json:"starts"`
	HandOvers int    `json:"handOvers"`
	// Shortest is the shortest time between a leader's end and the next start.
	Shortest time.Duration `json:"shortest"`
	// Recovery is the longest that anybody waited for a leader after the last
	// fault was over, Bound what it may have been.
	Recovery time.Duration `json:"recovery"`
	Bound    time.Duration `json:"bound"`
	// Alone is how often nothing was done to the lock for longer than that, so
	// that it had to have a leader.
	Alone int `json:"alone"`
}

// Problems is how much was found.
func (v Verdict) Problems() int {
	return len(v.Overlaps) + len(v.Tokens) + len(v.Unexplained) + len(v.Leaderless)
}

// Judge judges a run. The runs are those of each lock by its name, in the order
// of record.Read.
func Judge(log Log, runs map[string][]record.Run) Verdict {
	j := judge{log: log, kinds: map[string]*Kind{}, spent: map[spent]bool{}}
	for _, f := range log.Faults {
		k := j.kind(f)
		k.Faults++
	}
	for _, lock := range log.Locks {
		j.resolution(lock, runs[lock.Name])
	}
	for _, lock := range log.Locks {
		j.lock(lock, runs[lock.Name])
	}
	for _, k := range j.kinds {
		j.verdict.Kinds = append(j.verdict.Kinds, *k)
	}
	slices.SortFunc(j.verdict.Kinds, func(a, b Kind) int { return cmp.Compare(a.Kind, b.Kind) })
	return j.verdict
}

type judge struct {
	log     Log
	kinds   map[string]*Kind
	spent   map[spent]bool
	verdict Verdict
}

func (j *judge) kind(f Fault) *Kind {
	k := j.kinds[f.Kind]
	if k == nil {
		k = &Kind{Kind: f.Kind}
		j.kinds[f.Kind] = k
	}
	if k.Effect == "" || k.Effect == None {
		k.Effect = f.Effect
	}
	return k
}

func (j *judge) lock(lock Lock, runs []record.Run) {
	all, mistakes := terms(runs)
	j.verdict.Tokens = append(j.verdict.Tokens, mistakes...)
	for _, o := range record.Overlaps(runs) {
		if o.Earlier.Token != o.Later.Token || !related(o.Earlier, o.Later) {
			if j.thawed(lock, o) {
				continue
			}
			j.verdict.Overlaps = append(j.verdict.Overlaps, fmt.Sprintf("%s: %s", lock.Name, o))
		}
	}
	figures := LockFigures{Lock: lock.Name, Starts: len(all), HandOvers: max(0, len(all)-1), Bound: lock.Bound, Alone: j.alone(lock)}
	// Of several that overlap, the last to end leads.
	last := j.log.Began
	var by Fault
	for i, t := range all {
		waited := t.run.Started - j.lastFault(lock, last, t.run.Started)
		figures.Recovery = max(figures.Recovery, waited)
		if waited > lock.Bound {
			j.leaderless(lock, waited, fmt.Sprintf("until %s", t))
		}
		if gap := t.run.Started - last; i > 0 && gap >= 0 && (figures.Shortest == 0 || gap < figures.Shortest) {
			figures.Shortest = gap
		}
		if by.Kind != "" {
			k := j.kind(by)
			k.Longest = max(k.Longest, t.run.Started-max(last, min(by.Ended, t.run.Started)))
		}
		last = max(last, t.last)
		by = Fault{}
		if t.last >= j.log.Finished {
			continue // it lived on when all was over
		}
		var found bool
		if by, found = j.explain(lock, t); !found {
			j.verdict.Unexplained = append(j.verdict.Unexplained, fmt.Sprintf("%s: the end of %s, at %s%s", lock.Name, t, t.last, j.before(lock, t)))
			continue
		}
		j.kind(by).Ended++
	}
	if last < j.log.Finished {
		if waited := j.log.Finished - j.lastFault(lock, last, j.log.Finished); waited > lock.Bound {
			j.leaderless(lock, waited, "until the end")
		}
	}
	j.verdict.Starts += figures.Starts
	j.verdict.HandOvers += figures.HandOvers
	j.verdict.Locks = append(j.verdict.Locks, figures)
}

func (j *judge) leaderless(lock Lock, waited time.Duration, until string) {
	j.verdict.Leaderless = append(j.verdict.Leaderless,
		fmt.Sprintf("%s: nobody led for %s after the last fault, %s; it may be %s", lock.Name, waited, until, lock.Bound))
}

// instant is how long a command may live after a thaw, on a machine that is busy.
const instant = 250 * time.Millisecond

// thawed tells whether two lived at once for nothing but an instant after the
// earlier one was thawed, and takes note of it. What was frozen has been silent for as
// long.
func (j *judge) thawed(lock Lock, o record.Overlap) bool {
	replica, _ := descends(o.Earlier)
	for _, f := range j.log.Faults {
		within := f.Began <= o.Later.Started && o.Later.Started <= f.Ended
		silent := o.Earlier.Silence >= f.Ended-f.Began-instant
		awake := o.Later.Started + o.For - f.Ended
		if f.Freezes && f.hits(lock.Name, replica) && within && silent && awake <= instant {
			j.verdict.Thaws++
			j.verdict.Thawed = max(j.verdict.Thawed, awake)
			return true
		}
	}
	return false
}

// related tells whether one run is the other's descendant, or both are the same
// one's.
func related(a, b record.Run) bool {
	if a.Token == "" {
		return false
	}
	ofA, descendantA := descends(a)
	ofB, descendantB := descends(b)
	return ofA == ofB && (descendantA || descendantB)
}

// lastFault is the last instant, from `from` to `to`, at which a fault that
// concerns the lock was there that may hold anybody up.
func (j *judge) lastFault(lock Lock, from, to time.Duration) time.Duration {
	last := from
	for _, f := range j.log.Faults {
		if f.Effect != None && f.hits(lock.Name, "") && f.Began <= to {
			last = max(last, min(f.Ended, to))
		}
	}
	return last
}

// alone counts the times between faults in which the lock has to find a leader.
func (j *judge) alone(lock Lock) (times int) {
	var spans []span
	for _, f := range j.log.Faults {
		if f.Effect != None && f.hits(lock.Name, "") {
			spans = append(spans, span{f.Began, f.Ended})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	last := j.log.Began
	for _, s := range append(spans, span{j.log.Finished, j.log.Finished}) {
		if s.from-last > lock.Bound {
			times++
		}
		last = max(last, s.to)
	}
	return times
}

// resolution notes the longest silence of the lock's runs that no fault explains.
func (j *judge) resolution(lock Lock, runs []record.Run) {
next:
	for _, run := range runs {
		silent := span{run.Silent, run.Silent + run.Silence}
		replica, _ := descends(run)
		for _, f := range j.log.Faults {
			if f.Silences && f.hits(lock.Name, replica) && silent.meets(span{f.Began, f.Ended}) {
				continue next
			}
		}
		j.verdict.Resolution = max(j.verdict.Resolution, run.Silence)
	}
}
