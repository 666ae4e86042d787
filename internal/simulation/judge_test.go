package simulation

import (
	"fmt"
	"slices"
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
	// thawed is when it last went on after a freeze, its lease's last instant over;
	// zero: never. outlived: that was beside another's, and it has its KillMargin
	// to be dead.
	thawed   time.Duration
	outlived bool
}

// runs reports whether it can do anything at this moment.
func (l *life) runs() bool { return l.alive && (l.p == nil || !l.p.frozen.Load()) }

// judge looks for what must not happen:
//
//   - two commands run at one time. A frozen one does not run; it may, once it
//     is thawed after its lease, for its KillMargin (this is outside of the
//     promise).
//   - one of ours takes the lock before its last holder's lease can have run out
//     on any clock, though it was neither released nor its own, nor that of a
//     predecessor that is proven dead; or releases another's.
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
	// longest is the longest duration that a record has had since the last start
	// of a command of ours.
	longest time.Duration
	// holder is who wrote itself into the record last, nil if it has released it;
	// expires, when that may have run out for somebody at the earliest, and asked
	// when, if nobody had edited the duration.
	holder         *process
	expires, asked time.Duration
	counts         counts
}

// counts say how much has happened: a schedule in which little does proves
// little.
type counts struct {
	schedules, commands, releases, takeovers, thaws, oldCommands, together int
	evils                                                                  [evils]int
}

func (c *counts) add(o counts) {
	c.schedules += o.schedules
	c.commands += o.commands
	c.releases += o.releases
	c.takeovers += o.takeovers
	c.thaws += o.thaws
	c.oldCommands += o.oldCommands
	c.together += o.together
	for i, n := range o.evils {
		c.evils[i] += n
	}
}

func (c *counts) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d commands; %d hand-overs after a release, %d after the end of a lease\n", c.commands, c.releases, c.takeovers)
	fmt.Fprintf(&text, "%d commands were thawed; older tools ran %d, %d times beside another\n", c.thaws, c.oldCommands, c.together)
	for i, n := range c.evils {
		fmt.Fprintf(&text, "%9d  %s\n", n, evilNames[i])
	}
	return text.String()
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
	if p != nil {
		j.longest = max(j.w.store.present().Record.LeaseDuration, stored(elector.Record{LeaseDuration: p.lease}).LeaseDuration)
	}
	l := &life{who: who, p: p, token: token, from: j.w.now(), alive: true}
	j.w.trace(who, "COMMAND STARTS (token %d)", token)
	for _, o := range j.lives {
		switch {
		case !o.alive:
		case p == nil || o.p == nil:
			j.counts.together++
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
		j.counts.commands++
	} else {
		j.counts.oldCommands++
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
	past := p.holder.Now() >= p.guard.deadline
	for _, l := range j.lives {
		if !l.alive || l.p != p {
			continue
		}
		j.counts.thaws++
		l.thawed = 0
		if past {
			l.thawed = now
		}
		for _, o := range j.lives {
			if o == l || o.p == nil || !o.runs() {
				continue
			}
			former := l
			if o.token < l.token {
				former = o
			}
			if !j.excused(former) {
				j.accuse("two commands: %s's goes on beside %s's, before the end of its lease", former.who, max(l.who, o.who))
			}
		}
	}
}

// changed takes note of a change of the lock, by a process, or by nil.
func (j *judge) changed(by *process, before, after elector.Observation) {
	r := after.Record
	j.longest = max(j.longest, r.LeaseDuration)
	if after.Exists && before.Exists && after.Spec == before.Spec { // an annotation, a label
		for _, p := range j.w.processes {
			// Who polls cannot know whether somebody has held it in between.
			if p.stream == nil && r.HolderIdentity == "" {
				p.othersChanged = j.w.now()
			}
		}
		return
	}
	switch now := j.w.now(); {
	case r.HolderIdentity == "" && by != nil && before.Exists:
		if by != j.holder {
			j.accuse("%s releases a lock that is not its own", by.name)
		}
		j.holder = nil
		j.counts.releases++
	case r.HolderIdentity == "": // made, without a holder; deleted or emptied by hand
		// How long to wait is what each saw last.
		j.expires = j.asked
	case by == nil:
		j.expires = now + expiry(r)
	default:
		if by != j.holder {
			j.taken(by)
		}
		j.holder, j.asked = by, now+expiry(r)
		j.expires = j.asked
	}
	for _, p := range j.w.processes {
		if p != by {
			p.othersChanged = j.w.now()
		}
	}
}

// expiry is the shortest time in which a record runs out, on the fastest clock.
func expiry(r elector.Record) time.Duration { return time.Duration(float64(r.LeaseDuration) / 1.0101) }

// taken looks at a process that writes itself into the record for the first time
// since another did, or since it has released it.
func (j *judge) taken(by *process) {
	if j.holder != nil {
		j.counts.takeovers++
	}
	now := j.w.now()
	switch {
	case by.old: // it does not go by what the record says
		for _, l := range j.lives {
			if l.alive && l.p != nil && !j.excused(l) {
				j.accuse("two commands: %s, an older tool, takes the lock while that of %s runs (since %v)", by.name, l.who, l.from)
			}
		}
	case j.holder != nil && now < j.expires && !by.succeeds(j.holder):
		j.accuse("%s takes the lock of %s %v too early", by.name, j.holder.name, j.expires-now)
	}
}

// succeeds reports whether p is known to come after the end of `before`.
func (p *process) succeeds(before *process) bool {
	return before.ended && before.init && p.exclusive && p.identity == before.identity &&
		p.boot == before.boot && p.netns == before.netns &&
		(p.uid == before.uid || p.uid == "" || before.uid == "")
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
	return time.Duration(1.02*float64(max(j.longest, p.seen, p.waited))) + 5*p.retry/2 + 500*time.Millisecond
}

// led reports whether somebody leads.
func (j *judge) led() bool { return slices.ContainsFunc(j.lives, (*life).runs) }

// look accuses if nobody leads though somebody could. It is called before
// anything changes that this depends on, and at the end.
func (j *judge) look() {
	if j.led() {
		return
	}
	now := j.w.now()
	for _, p := range j.w.processes {
		if p.ended || p.stopping || p.any.now > 0 || p.thawed != nil {
			continue
		}
		since := max(j.vacant, p.started, p.any.until, p.othersChanged)
		if waited := now - since; waited > j.bound(p) {
			j.accuse("nobody leads: %s could since %v, for %v", p.name, since, waited)
			j.vacant = now
			return
		}
	}
}
