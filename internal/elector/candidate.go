package elector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// candidate is one campaign, run by one goroutine. It sends nothing while it
// waits, but claims of the place of heir: where it is free, or its heir knows of far
// fewer candidates than there are.
type candidate struct {
	*Elector
	timer                        Timer
	acquiring, reading, claiming chan answer

	// unsettled: a write or a read ended without a result that can be relied
	// upon; the lock is read before anything else is tried, not before
	// `retry` (candidate's clock).
	unsettled bool
	retry     time.Duration
	// conflict: the last write, from revision `tried`, was one.
	conflict bool
	tried    uint64
	futile   futility
	// reign is the term and its heir that `lot` was drawn for; zero: none yet.
	// From it follow when this candidate claims the place of heir, and for how
	// long it leaves the lock to others once that is open.
	reign   mark
	lot     lot
	claimAt time.Duration
	yield   time.Duration
	// seen is the holder that was last logged.
	seen    string
	seenAny bool
	reason  string
}

// Campaign stands by until this Elector holds the lock, and returns the term.
// When ctx ends first, it returns ctx's cause, after what was under way is
// settled: an acquire whose outcome is open is read and, if it was ours,
// released; that may take as long as RenewDeadline.
func (e *Elector) Campaign(ctx context.Context) (*Term, error) {
	asking, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	c := &candidate{Elector: e, timer: e.CandidateClock.NewTimer()}
	defer c.timer.Stop()
	for {
		c.timer.Reset(c.step(asking))
		select {
		case <-ctx.Done():
			c.leave(asking)
			return nil, context.Cause(ctx)
		case <-c.sight.stirred:
		case <-c.timer.C():
		case a := <-c.acquiring:
			c.acquiring = nil
			if term := c.acquired(a); term != nil {
				return term, nil
			}
		case a := <-c.reading:
			c.reading = nil
			c.settled(a)
		case a := <-c.claiming:
			c.claiming = nil
			c.claimed(a)
		}
	}
}

// step does what is due and returns when to come again.
func (c *candidate) step(ctx context.Context) (wake time.Duration) {
	now := c.CandidateClock.Now()
	s := c.sight.look()
	if s.seq == 0 || c.acquiring != nil || c.reading != nil {
		return never
	}
	c.tellHolder(s)
	if c.unsettled {
		if now < c.retry {
			return c.retry
		}
		c.reading = background(func() answer { return c.look(ctx) })
		return never
	}
	named := markOf(s.obs.Record.Heir, s.obs.Record)
	reign := mark{Holder: s.obs.Record.HolderIdentity, Transitions: s.obs.Record.LeaseTransitions, Heir: named.Heir}
	if c.lot == 0 || reign != c.reign {
		// An heir is named within six tenths of a RetryPeriod; the first is for
		// everybody to hear of the reign.
		c.reign, c.lot = reign, draw(c.Jitter())
		c.claimAt = now + c.RetryPeriod/10 + c.lot.turn(c.RetryPeriod/2)
	}
	c.yield = c.yieldTo(named)

	wake = c.followWatch(s, now)
	if !s.obs.Exists {
		if at := max(s.noted+c.yieldAbsent(s), c.retry); now < at {
			return min(wake, at)
		}
		c.create(ctx, s)
		return never
	}
	opens, reason, sure := c.opens(s)
	if !sure {
		opens += c.yield
	}
	if opens = max(opens, c.retry); now >= opens {
		c.reason = reason
		c.acquire(ctx, s)
		return never
	}
	wake = min(wake, opens)

	if c.mayClaim(s, named) {
		if now >= c.claimAt {
			c.claim(ctx, s, named)
		} else {
			wake = min(wake, c.claimAt)
		}
	}
	return wake
}

// opens tells from when on the lock may be taken, and why. sure: the lock is
// this candidate's alone to take, so nobody needs to be let first.
func (c *candidate) opens(s sighting) (at time.Duration, reason string, sure bool) {
	holder := s.obs.Record.HolderIdentity
	switch {
	case c.mine(s.obs):
		return 0, "an earlier acquire of this process went through", true
	case s.released():
		return s.changed, "released", c.reign.Heir == c.Identity
	case holder == "" && s.held == 0:
		return 0, "never held", true
	case holder == "":
		return s.changed + s.held, fmt.Sprintf("no holder for %v", s.held), false
	}
	if g := s.gate(); holder == c.Identity && g != nil && c.Instance.succeeds(*g) {
		return 0, "the former container of this pod held it", true
	}
	lease := c.sight.duration(s.obs.Record)
	return s.changed + lease, fmt.Sprintf("not renewed by %s for %v", holder, lease), c.reign.Heir == c.Identity
}

// yieldTo is how long everybody but the heir leaves an open lock to it.
func (c *candidate) yieldTo(named mark) time.Duration {
	if named.Heir == "" || named.Heir == c.Identity {
		return time.Duration(float64(c.lot) * float64(holdBack/5))
	}
	patience := c.patience(named.Crowd)
	return patience + c.lot.turn(patience)
}

// yieldAbsent is how long the creation of a missing lock is left to its last
// holder, which will make it anew.
func (c *candidate) yieldAbsent(s sighting) time.Duration {
	if s.held == 0 {
		return 0
	}
	return holdBack + c.yield
}

// mine reports whether the record was written by this very process.
func (e *Elector) mine(obs Observation) bool {
	i := markOf(obs.Record.Instance, obs.Record).Instance
	return obs.Record.HolderIdentity == e.Identity && i != nil && i.Process == e.Instance.Process
}

// create makes the lock, held by nobody. A creation cannot be made conditional
// on anything but absence, and may arrive late, when the lock has been held by
// others and deleted again: with a holder in it, it could be taken for an
// acquisition then. So every record with a holder is an update of one revision,
// and who saw a holder waits its lease out before that (see opens).
func (c *candidate) create(ctx context.Context, s sighting) {
	c.tried = s.obs.Revision
	c.acquiring = background(func() answer {
		return c.write(ctx, question{operation: create, until: c.HolderClock.Now() + c.RenewDeadline}, s.obs, Record{})
	})
}

func (c *candidate) acquire(ctx context.Context, s sighting) {
	was := s.obs.Record
	at := time.Now()
	to := Record{
		HolderIdentity:   c.Identity,
		LeaseDuration:    storedDuration(c.LeaseDuration),
		AcquireTime:      at,
		RenewTime:        at,
		LeaseTransitions: was.LeaseTransitions,
	}
	if was.HolderIdentity == c.Identity {
		to.AcquireTime = was.AcquireTime
	} else if s.held > 0 || was.HolderIdentity != "" || was.LeaseTransitions > 0 || s.released() {
		to.LeaseTransitions++
	}
	to.Instance = mark{Holder: to.HolderIdentity, Transitions: to.LeaseTransitions, Instance: &c.Instance}.String()
	c.tried = s.obs.Revision
	c.acquiring = background(func() answer {
		return c.write(ctx, question{operation: acquire, until: c.HolderClock.Now() + c.RenewDeadline}, s.obs, to)
	})
}

func (c *candidate) acquired(a answer) *Term {
	switch {
	case a.err == nil && a.obs.Record.HolderIdentity == "":
		// Created; what follows depends on who was seen before.
	case a.err == nil && !c.mine(a.obs):
		c.fail(acquire, errors.New("the annotations came back changed: an admission webhook must leave those of k8s-await-election alone"))
	case a.err == nil:
		term := newTerm(c.Elector, a)
		if term == nil {
			// Answered too late to lead from; the record is ours to write again.
			return nil
		}
		c.Logger.Info("elected", "reason", c.reason, "token", term.token)
		return term
	case errors.Is(a.err, ErrConflict):
		c.unsettled, c.conflict, c.retry = true, true, 0
	default:
		c.fail(acquire, a.err)
	}
	return nil
}

// settled takes the answer to a read.
func (c *candidate) settled(a answer) {
	if a.err != nil {
		c.fail("read", a.err)
		return
	}
	c.unsettled = false
	if c.conflict {
		c.conflict = false
		c.retry = c.CandidateClock.Now() + c.futile.after(c.tried, a.obs.Revision, c.RetryPeriod)
	}
}

func (c *candidate) fail(operation string, err error) {
	next := c.pauseAfter(err)
	c.unsettled, c.retry = true, c.CandidateClock.Now()+next
	c.tell(operation+" failed", err, next)
}

// mayClaim: under a holder that honours it the place of heir is free, or its
// heir has found far fewer candidates than have come since.
func (c *candidate) mayClaim(s sighting, named mark) bool {
	if c.claiming != nil || c.reign.Holder == c.Identity || named.Heir == c.Identity || s.gate() == nil {
		return false
	}
	return named.Heir == "" || c.lot.crowd() > 4*min(max(named.Crowd, 1), mostLots)
}

// claim claims the place of heir, or says for its heir how many there are.
func (c *candidate) claim(ctx context.Context, s sighting, named mark) {
	to := s.obs.Record
	to.Heir = mark{
		Holder: to.HolderIdentity, Transitions: to.LeaseTransitions,
		Heir: cmp.Or(named.Heir, c.Identity), Crowd: c.lot.crowd(),
	}.String()
	c.claiming = background(func() answer {
		return c.write(ctx, question{operation: claim, until: c.HolderClock.Now() + c.RetryPeriod}, s.obs, to)
	})
}

func (c *candidate) claimed(a answer) {
	if a.err != nil {
		// A hint, not worth a log line: somebody was faster, or the API is slow.
		c.claimAt = c.CandidateClock.Now() + c.pauseAfter(a.err)
		return
	}
	if markOf(a.obs.Record.Heir, a.obs.Record).Heir == c.Identity {
		c.Logger.Info("next in line", "holder", a.obs.Record.HolderIdentity)
	}
}

// followWatch asks for a new watch if the present one did not show what a read
// has shown a while ago.
func (c *candidate) followWatch(s sighting, now time.Duration) (wake time.Duration) {
	if s.watched == 0 || s.watched >= s.obs.Revision {
		return never
	}
	if late := s.noted + c.RetryPeriod; now < late {
		return late
	}
	select {
	case c.rewatch <- struct{}{}:
	default:
	}
	return now + c.RetryPeriod
}

// tellHolder logs each change of holder once.
func (c *candidate) tellHolder(s sighting) {
	holder := s.obs.Record.HolderIdentity
	if c.seenAny && holder == c.seen {
		return
	}
	c.seen, c.seenAny = holder, true
	if holder != "" {
		c.Logger.Info("standing by", "holder", holder)
	}
}

// leave settles what is under way and gives up what is ours.
func (c *candidate) leave(ctx context.Context) {
	q := question{until: c.HolderClock.Now() + c.RenewDeadline}
	open := c.unsettled
	if c.acquiring != nil {
		a := <-c.acquiring
		open = a.err != nil
	}
	if c.reading != nil {
		open = (<-c.reading).err != nil
	}
	if c.claiming != nil {
		<-c.claiming
	}
	if open {
		c.read(ctx, q)
	}
	if c.mine(c.sight.look().obs) {
		if _, err := c.giveUp(ctx, q.until); err != nil {
			c.Logger.Warn("release failed, others wait for the end of the lease", "err", err)
		}
		return
	}
	for range 2 { // once more if the holder's renewal came in between
		s := c.sight.look()
		if s.heir() != c.Identity {
			return
		}
		to := s.obs.Record
		to.Heir = ""
		q := question{operation: claim, until: c.HolderClock.Now() + c.RetryPeriod}
		if a := c.write(ctx, q, s.obs, to); !errors.Is(a.err, ErrConflict) {
			return // a hint: an heir that is gone is not waited for long
		}
		c.read(ctx, q)
	}
}

// giveUp releases the lock as long as the record is this process's own, and
// reports whether it did. It must be called by whoever has seen that no child
// is left. What failed is tried again until `until`.
func (e *Elector) giveUp(ctx context.Context, until time.Duration) (released bool, err error) {
	var futile futility
	for {
		s := e.sight.look()
		if !e.mine(s.obs) {
			return false, nil
		}
		at := time.Now()
		to := Record{
			LeaseDuration:    time.Second,
			AcquireTime:      at,
			RenewTime:        at,
			LeaseTransitions: s.obs.Record.LeaseTransitions,
		}
		if named := markOf(s.obs.Record.Heir, s.obs.Record); named.Heir != "" && named.Heir != e.Identity {
			to.Heir = mark{Transitions: to.LeaseTransitions, Heir: named.Heir, Crowd: named.Crowd}.String()
		}
		a := e.write(ctx, question{operation: release, until: until}, s.obs, to)
		if a.err == nil {
			return true, nil
		}
		pause := e.pauseAfter(a.err)
		if errors.Is(a.err, ErrConflict) {
			if read := e.read(ctx, question{until: until}); read.err != nil {
				pause = e.pauseAfter(read.err)
			} else {
				pause = futile.after(s.obs.Revision, read.obs.Revision, e.RetryPeriod)
			}
		}
		left := until - e.HolderClock.Now()
		if left <= 0 {
			return false, a.err
		}
		// Whatever the server asks for, one more try before the end.
		e.pause(ctx, min(pause, max(left/2, futilePause)))
		if ctx.Err() != nil {
			return false, a.err
		}
		if !errors.Is(a.err, ErrConflict) {
			e.read(ctx, question{until: until})
		}
	}
}
