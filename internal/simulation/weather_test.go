package simulation

import (
	"context"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// spell is what is wrong with a process's way to the store for a while.
type spell int

const (
	cut         spell = iota // nothing gets through
	mute                     // requests arrive, answers do not
	slowThere                // requests take up to a lease
	slowBack                 // answers do
	failing                  // 500
	busy                     // 429
	forbidden                // 403
	conflicting              // 409 for every write, as by an admission webhook
	unchanging               // 200 for every write, and nothing is changed
	stale                    // reads tell an old state
	twice                    // requests arrive twice
	lagging                  // the watch tells late
	starving                 // timers are up to 300 ms late
	spells
)

var evilNames = [evils]string{
	"is cut off", "gets no answers", "has slow requests", "has slow answers", "gets errors", "is told to wait", "is forbidden everything",
	"gets conflicts only", "changes nothing by its writes", "reads old states", "sends everything twice", "has a slow watch", "has late timers",

	"is frozen", "is stopped, the gate alone", "is suspended", "has its weather everywhere", "is killed", "gets a signal", "has a double",
	"has its watch broken", "has a dead watch", "has its watch's past forgotten", "has its wall clock set",
	"the lock is labelled", "our annotations are changed", "the lock is deleted", "the lock is emptied", "its duration is changed",
}

// What else happens.
const (
	freezing = int(spells) + iota
	halting  // the gate alone, by SIGSTOP
	suspending
	clouding // what is wrong is so for everybody
	killing
	signalling
	doubling // another Pod of the same name is made while this one lives
	severing
	deadening
	compacting
	wallStepping
	relabelling
	defacing
	deleting
	emptying
	lengthening
	evils
)

// storm makes things happen until ctx ends. Each schedule has its own
// preferences: some things it never does, some often.
func (w *world) storm(ctx context.Context) {
	preferences := w.dice("storm", "preferences")
	var weights [evils]float64
	for i := range weights {
		if preferences.in(0.5) {
			weights[i] = preferences.float()
		}
	}
	pace := w.lease / time.Duration(2+preferences.of(6))
	for electortest.Sleep(ctx, w.dice("storm", "pause").below(2*pace)) == nil {
		d := w.dice("storm", "evil")
		total := 0.0
		for _, weight := range weights {
			total += weight
		}
		evil, at := 0, d.float()*total
		for evil < evils-1 && at >= weights[evil] {
			at -= weights[evil]
			evil++
		}
		w.mu.Lock()
		if p := w.victim(d); p != nil {
			w.harm(ctx, d, p, evil)
		}
		w.mu.Unlock()
	}
}

// victim is a living process: half of the time one whose command runs.
func (w *world) victim(d *dice) *process {
	var living, leading []*process
	for _, p := range w.processes {
		if !p.ended {
			living = append(living, p)
			if p.child != nil && p.child.life.alive {
				leading = append(leading, p)
			}
		}
	}
	switch {
	case len(living) == 0:
		return nil
	case len(leading) > 0 && d.in(0.5):
		return pick(d, leading...)
	}
	return pick(d, living...)
}

// harm does one thing. w.mu is held.
func (w *world) harm(ctx context.Context, d *dice, p *process, evil int) {
	w.judge.counts.evils[evil]++
	lasting := d.below(2 * w.lease)
	switch {
	case evil < int(spells):
		w.during(ctx, lasting, w.cast(p, spell(evil), lasting))
	case evil == freezing || evil == suspending || evil == halting:
		stubborn := p.child != nil && p.child.life.alive && p.child.stubborn()
		if p.thawed != nil || evil == halting && stubborn {
			return // whom the guard cannot kill in time only the gate's own end does
		}
		over := p.troubled(true)
		switch evil {
		case halting:
			p.halt("is stopped, the gate alone")
		case suspending:
			p.freeze("is suspended")
		default:
			p.freeze("is frozen")
		}
		since := w.now()
		w.during(ctx, lasting, func() {
			if evil == suspending && p.thawed != nil {
				p.candidate.standStill(w.now() - since)
			}
			over()
			p.unfreeze()
		})
	case evil == clouding:
		s := spell(d.of(int(spells)))
		var all []func()
		for _, p := range w.processes {
			if !p.ended {
				all = append(all, w.cast(p, s, lasting))
			}
		}
		w.during(ctx, lasting, func() {
			for _, over := range all {
				over()
			}
		})
	case evil == killing:
		p.crash()
	case evil == signalling:
		p.signal(pick(d, syscall.SIGTERM, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1))
	case evil == doubling && p.old:
	case evil == doubling:
		w.lives.Go(func() { w.live(d.again(p.pod), true) })
	case evil == severing:
		if p.stream != nil {
			select {
			case p.stream.broken <- pick(d, errEnd, errServer):
			default:
			}
		}
	case evil == deadening:
		if st := p.stream; st != nil && !st.dead {
			st.dead = true
			over := p.troubled(false)
			w.trace(p.name, "has a dead watch")
			w.during(ctx, lasting, func() {
				over()
				select {
				case st.broken <- errServer:
				default:
				}
			})
		}
	case evil == compacting:
		w.store.compacted = w.store.revision
	case evil == wallStepping:
		p.wall += d.between(-time.Hour, time.Hour)
		w.trace(p.name, "its wall clock is set")
		select {
		case p.wallSteps <- struct{}{}:
		default:
		}
	default:
		w.vandalize(d, evil)
	}
}

// cast puts a spell on a process; the function returned takes it away. w.mu is
// held at both.
func (w *world) cast(p *process, s spell, lasting time.Duration) func() {
	over := func() {}
	switch s {
	case twice:
	case lagging:
		over = p.troubled(false)
	default:
		over = p.troubled(true)
	}
	w.trace(p.name, "%s, for %v", evilNames[s], lasting)
	if p.spells[s]++; s == cut && p.spells[cut] == 1 {
		p.healed = make(chan struct{})
	}
	p.starved.Store(p.spells[starving] > 0)
	return func() {
		if s == starving { // what was set meanwhile may be as late
			p.later(latest, over)
		} else {
			over()
		}
		if p.spells[s]--; s == cut && p.spells[cut] == 0 {
			close(p.healed)
		}
		p.starved.Store(p.spells[starving] > 0)
		if p.spells[s] == 0 && !p.ended {
			w.trace(p.name, "no longer %s", evilNames[s])
		}
	}
}

// during calls end, with the mutex held, after a while or at the end of ctx.
func (w *world) during(ctx context.Context, d time.Duration, end func()) {
	w.lives.Go(func() {
		_ = electortest.Sleep(ctx, d)
		w.mu.Lock()
		defer w.mu.Unlock()
		end()
	})
}

// vandalize changes the lock by hand. To delete or empty it is outside of the
// promise for candidates that have not seen a holder with its duration, so
// everybody has; and beside older tools, which take that for a release.
func (w *world) vandalize(d *dice, evil int) {
	s := w.store
	if s.object == nil {
		return
	}
	blanks := evil == deleting || evil == emptying
	for _, p := range w.processes {
		if blanks && (w.old || !p.ended && p.seen < w.judge.longest) {
			return
		}
	}
	before, o := s.present(), *s.object
	what := ""
	switch evil {
	case relabelling:
		o.labels++
		what = "labels it"
	case defacing:
		what = "changes our annotations"
		switch d.of(3) {
		case 0:
			o.record.Heir = `{"holder":"` + o.record.HolderIdentity + `","transitions":0,"heir":"nobody"}`
		case 1:
			o.record.Heir, o.record.Instance = "{", "garbage"
		default:
			o.record.Heir, o.record.Instance = "", ""
		}
		w.handmade = w.now()
	case lengthening:
		o.record.LeaseDuration += 5 * time.Second
		o.unknown++
		what = "changes its duration"
	case emptying:
		what = "empties it"
		duration := o.record.LeaseDuration
		if duration <= time.Second || d.in(0.5) {
			duration = 0 // with a second it would be released
		}
		o.record = elector.Record{LeaseDuration: duration}
	}
	w.judge.look()
	var obs elector.Observation
	if evil == deleting {
		what = "deletes it"
		obs = s.set(nil)
	} else {
		obs = s.set(&o)
	}
	if blanks {
		w.blanked = w.now()
	}
	w.trace("somebody", "%s: revision %d", what, obs.Revision)
	w.judge.changed(nil, before, obs)
}

// again is a Pod with the same name in another place.
func (d *dice) again(of pod) pod {
	of.uid += "+"
	if d.in(0.2) {
		of.uid = "" // not known
	}
	if d.in(0.5) { // else the host's
		of.netns = 4026531840 + d.next()%1000000
	}
	if d.in(0.5) {
		of.boot += "+"
	}
	of.rate = rate(d)
	return of
}
