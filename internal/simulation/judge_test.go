package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// life is the time in which something of one command was alive.
type life struct {
	who   string
	p     *process // nil: of an older tool
	token uint64
	from  time.Duration
	alive bool
	// thawed is when it last went on after a freeze; zero: never. outlived: it was
	// thawed beside another's, and has its KillMargin to be dead.
	thawed   time.Duration
	outlived bool
}

// runs reports whether it can do anything at this moment.
func (l *life) runs() bool { return l.alive && (l.p == nil || !l.p.frozen.Load()) }

// judge looks for what must not happen:
//
//   - two commands run at one time. A frozen one does not run; it may, once it
//     is thawed, for its KillMargin (this is outside of the promise).
//   - an older tool takes the lock while a command of ours runs. What its own
//     command does after that, and that ours starts beside it, is its affair.
//   - a command starts with a fencing token that is not greater than the last.
//   - a leader that nothing troubles is deposed (see calm).
//   - nobody leads, though somebody could (see bound).
//
// Its methods are called with the world's mutex held, and its times are true.
type judge struct {
	w     *world
	lives []*life
	token uint64
	wrong []string
	// vacant is since when no command is alive.
	vacant time.Duration
	// longest is the longest duration that a record has had.
	longest time.Duration
	counts  counts
}

// counts say how much has happened: a schedule in which little does proves
// little.
type counts struct {
	Schedules, Commands, Kills, Freezes, Releases, Takeovers, Thaws, OldCommands, Together int
}

func (c *counts) add(o counts) {
	c.Schedules += o.Schedules
	c.Commands += o.Commands
	c.Kills += o.Kills
	c.Freezes += o.Freezes
	c.Releases += o.Releases
	c.Takeovers += o.Takeovers
	c.Thaws += o.Thaws
	c.OldCommands += o.OldCommands
	c.Together += o.Together
}

func (j *judge) accuse(format string, args ...any) {
	text := fmt.Sprintf("%v: ", j.w.now()) + fmt.Sprintf(format, args...)
	if !strings.Contains(text, *verdict) {
		return
	}
	j.wrong = append(j.wrong, text)
	j.w.trace("JUDGE", "%s", text)
}

// begin takes note of a command's start.
func (j *judge) begin(who string, p *process, token uint64) *life {
	j.look()
	l := &life{who: who, p: p, token: token, from: j.w.now(), alive: true}
	j.w.trace(who, "COMMAND STARTS (token %d)", token)
	for _, o := range j.lives {
		switch {
		case !o.alive:
		case p == nil || o.p == nil:
			j.counts.Together++
		case j.excused(o):
		default:
			j.accuse("two commands: %s starts while that of %s runs (since %v)", who, o.who, o.from)
		}
	}
	if p != nil {
		if token <= j.token {
			j.accuse("%s has token %d, after %d", who, token, j.token)
		}
		j.token = max(j.token, token)
		j.counts.Commands++
	} else {
		j.counts.OldCommands++
	}
	j.lives = append(j.lives, l)
	return l
}

// excused reports whether a command that is alive may be: it is frozen, or was
// until now and is being killed.
func (j *judge) excused(l *life) bool {
	switch {
	case !l.runs():
		j.w.trace(l.who, "is frozen meanwhile")
		return true
	case l.thawed > 0 && j.w.now() <= l.thawed+elector.KillMargin(l.p.lease):
		l.outlived = true
		return true
	}
	return false
}

// end takes note of the death of the last of a command.
func (j *judge) end(l *life, how string) {
	j.look()
	now := j.w.now()
	l.alive = false
	j.w.trace(l.who, "COMMAND %s", how)
	if l.outlived && !l.p.frozen.Load() && now > l.thawed+elector.KillMargin(l.p.lease) {
		j.accuse("two commands: %s's, thawed at %v beside another's, lived on until %v", l.who, l.thawed, now)
	}
	j.vacant = now
}

// thaw takes note of the end of a freeze.
func (j *judge) thaw(p *process) {
	now := j.w.now()
	for _, l := range j.lives {
		if !l.alive || l.p != p {
			continue
		}
		l.thawed = now
		j.counts.Thaws++
		for _, o := range j.lives {
			if o == l || o.p == nil || !o.alive || o.p.frozen.Load() {
				continue
			}
			if l.token < o.token {
				l.outlived = true
			} else {
				o.outlived = true
			}
		}
	}
}

// changed takes note of a change of the lock, by a process, or by nil.
func (j *judge) changed(by *process, before, after elector.Observation) {
	r := after.Record
	j.longest = max(j.longest, r.LeaseDuration)
	if after.Exists && after.Spec == before.Spec && r.HolderIdentity != "" {
		return // not the record: an annotation, a label
	}
	if by != nil && r.HolderIdentity != "" && before.Record.HolderIdentity != "" && r.HolderIdentity != before.Record.HolderIdentity {
		j.counts.Takeovers++
	}
	if by != nil && r.HolderIdentity == "" && before.Record.HolderIdentity != "" {
		j.counts.Releases++
	}
	if by != nil && by.old && r.HolderIdentity == by.identity && before.Record.HolderIdentity != by.identity {
		for _, l := range j.lives {
			if l.alive && l.p != nil && !j.excused(l) {
				j.accuse("two commands: %s, an older tool, takes the lock while that of %s runs (since %v)", by.name, l.who, l.from)
			}
		}
	}
	for _, p := range j.w.processes {
		if p != by {
			p.othersChanged = j.w.now()
		}
	}
}

// calm is how long nothing has troubled a leader's reads and writes when it can
// no longer lose its lease: a retry and what the requests take.
func calm(p *process) time.Duration { return 2*p.retry + 300*time.Millisecond }

// deposed looks at a command that is stopped without having been asked to.
func (j *judge) deposed(p *process) {
	if now := j.w.now(); p.writing.now == 0 && now-p.writing.until > calm(p) && now-j.w.handmade > calm(p) {
		j.accuse("%s is deposed, though nothing has troubled it since %v", p.name, p.writing.until)
	}
}

// bound is how long after the last change of the record by others, and after
// the last trouble of its own, a candidate leads at the latest.
func (j *judge) bound(p *process) time.Duration {
	return time.Duration(1.02*float64(j.longest)) + 5*p.retry/2 + 500*time.Millisecond
}

// look accuses if nobody leads though somebody could. It is called before
// anything changes that this depends on, and at the end.
func (j *judge) look() {
	for _, l := range j.lives {
		if l.alive {
			return
		}
	}
	now := j.w.now()
	for _, p := range j.w.processes {
		if p.ended || p.stopping || p.any.now > 0 || p.thawed != nil {
			continue
		}
		since := max(j.vacant, p.started, p.any.until, p.othersChanged, j.w.handmade)
		if waited := now - since; waited > j.bound(p) {
			j.accuse("nobody leads: %s could since %v, for %v", p.name, since, waited)
			j.vacant = now
			return
		}
	}
}
