package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// What a request is for, as the trace tells it.
const (
	read    = "read"
	watch   = "watch"
	create  = "create"
	acquire = "acquire"
	renew   = "renew"
	release = "release"
	claim   = "claim"
)

// purpose tells what a write is for.
func purpose(from elector.Observation, to elector.Record) string {
	was := from.Record
	switch {
	case to.HolderIdentity == "" && !from.Exists:
		return create
	case from.Exists && was.HolderIdentity == to.HolderIdentity && was.RenewTime.Equal(to.RenewTime):
		return claim
	case to.HolderIdentity == "":
		return release
	case was.HolderIdentity == to.HolderIdentity && was.Instance == to.Instance:
		return renew
	}
	return acquire
}

var (
	errServer  = errors.New("internal server error")
	errNetwork = errors.New("connection refused")
)

// refusal is an answer with a demand to wait.
type refusal struct{ wait time.Duration }

func (refusal) Error() string               { return "too many requests" }
func (r refusal) RetryAfter() time.Duration { return r.wait }

// fate is what happens to one request.
type fate struct {
	// there and back are how long it and its answer take.
	there, back time.Duration
	// healing: it arrives only when the way is free again.
	healing <-chan struct{}
	// lost: it never arrives. mute: nothing is answered.
	lost, mute bool
	// stubborn: it arrives though the caller has given up meanwhile.
	stubborn bool
	// refuse is the answer, and nothing is done, unless written is set, too.
	// unchanged: nothing is done, and the answer says that all is well.
	refuse             error
	written, unchanged bool
	// again: a copy arrives that much later. second: it is the copy's answer
	// that comes back.
	again  time.Duration
	second bool
	// stale is how old the state is that a read tells.
	stale time.Duration
	// bad: it troubles the process.
	bad bool
}

// fate is drawn when a request is sent. w.mu is held.
func (p *process) fate(kind string) fate {
	d := p.w.dice(p.name, kind)
	f := fate{there: d.below(p.distance), back: d.below(p.distance), stubborn: d.in(0.5)}
	writes := kind != read && kind != watch
	if p.spells[cut] > 0 {
		f.bad = true
		switch x := d.float(); {
		case x < 0.4:
			f.lost = true
		case x < 0.8: // sent again until it arrives
			f.healing, f.there = p.healed, d.below(p.lease/2)
		default:
			f.refuse = errNetwork
		}
		return f
	}
	meet := func(of spell) bool { return p.spells[of] > 0 || !p.w.calm && d.in(p.roughness) }
	switch {
	case meet(mute):
		f.mute, f.bad = true, true
	case meet(slowThere):
		f.there, f.bad = d.below(p.lease), true
	case meet(slowBack):
		f.back, f.bad = d.below(p.lease), true
	case meet(failing):
		f.refuse, f.written, f.bad = errServer, d.in(0.5), true
	case meet(busy):
		f.refuse, f.bad = fmt.Errorf("busy: %w", refusal{d.below(p.lease)}), true
	case meet(forbidden):
		f.refuse, f.bad = elector.ErrForbidden, true
	case writes && meet(conflicting):
		f.refuse, f.bad = elector.ErrConflict, true
	case writes && meet(unchanging):
		f.unchanged, f.bad = true, true
	case !writes && meet(stale):
		f.stale, f.bad = d.below(2*p.lease), true
	}
	if meet(twice) {
		f.again, f.second = d.below(p.lease), d.in(0.3)
		if d.in(0.5) {
			f.again = d.below(p.distance)
		}
		f.bad = f.bad || f.second
	}
	return f
}

// carry takes a request to the store, where apply is what it does, and its
// answer back.
func (p *process) carry(ctx context.Context, kind string, base elector.Observation, apply func(fate) (elector.Observation, error)) (elector.Observation, error) {
	w := p.w
	var none elector.Observation
	if err := p.awake(ctx); err != nil {
		return none, err
	}
	w.mu.Lock()
	sent := w.now()
	f := p.fate(kind)
	settle := func() {}
	if f.bad {
		settle = p.hangs()
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		settle()
	}()

	arrive := func() (elector.Observation, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if f.written {
			_, _ = p.change(kind, sent, func() (elector.Observation, error) { return apply(f) })
		}
		if f.refuse != nil {
			return none, f.refuse
		}
		if f.unchanged && base.Exists && base.Revision == w.store.present().Revision {
			return base, nil
		}
		return p.change(kind, sent, func() (elector.Observation, error) { return apply(f) })
	}
	if f.lost {
		return none, p.silence(ctx)
	}
	if f.healing != nil {
		select {
		case <-f.healing:
		case <-ctx.Done():
			if f.stubborn {
				go func() {
					<-f.healing
					time.Sleep(f.there)
					_, _ = arrive()
				}()
			}
			return none, p.givenUp(ctx)
		case <-p.died:
			return none, errKilled
		}
	}
	arrives := time.Now().Add(f.there)
	if err := p.sleep(ctx, f.there); err != nil {
		if left := time.Until(arrives); f.stubborn && left > 0 {
			time.AfterFunc(left, func() { _, _ = arrive() })
		}
		return none, err
	}
	obs, err := arrive()
	if f.again > 0 {
		if f.second {
			if err := p.sleep(ctx, f.again); err != nil {
				return none, err
			}
			obs, err = arrive()
		} else {
			time.AfterFunc(f.again, func() { _, _ = arrive() })
		}
	}
	w.mu.Lock()
	gone := f.mute || p.spells[cut] > 0
	if gone {
		if !f.bad {
			settle = p.hangs()
		}
		w.trace(p.name, "its %s, sent at %v, is not answered", kind, sent)
	}
	w.mu.Unlock()
	if gone {
		return none, p.silence(ctx)
	}
	if err := p.sleep(ctx, f.back); err != nil {
		return none, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p.wait(err)
	switch {
	case kind == read && err == nil:
		w.trace(p.name, "its read, sent at %v, tells revision %d: %s", sent, obs.Revision, tell(obs))
	case kind != read && f.back > p.distance:
		w.trace(p.name, "its %s, sent at %v, is answered: %s", kind, sent, outcome(err))
	}
	p.saw(obs)
	return obs, err
}

// wait takes note of a refusal that asks to wait, as candidates and watches do. A
// holder tries once more before its deadline all the same. w.mu is held.
func (p *process) wait(err error) {
	asked := refusal{}
	if !errors.As(err, &asked) {
		return
	}
	p.delayed(asked.wait)
}

func outcome(err error) string {
	if err != nil {
		return err.Error()
	}
	return "done"
}

// change applies a write and tells the trace and the judge. w.mu is held.
func (p *process) change(kind string, sent time.Duration, apply func() (elector.Observation, error)) (elector.Observation, error) {
	w := p.w
	before := w.store.present()
	w.judge.look()
	obs, err := apply()
	switch {
	case kind == read:
	case err != nil:
		w.trace(p.name, "its %s, sent at %v, is refused: %v", kind, sent, err)
	case w.store.present().Revision != before.Revision:
		anew := ""
		if !before.Exists {
			anew = "the lock anew, "
		}
		w.trace(p.name, "its %s, sent at %v, makes %srevision %d: %s", kind, sent, anew, obs.Revision, tell(obs))
		w.judge.changed(p, before, obs)
	}
	return obs, err
}

// tell says what a state of the lock is.
func tell(obs elector.Observation) string {
	r := obs.Record
	switch {
	case !obs.Exists:
		return "no lock"
	case r.HolderIdentity == "":
		return fmt.Sprintf("held by nobody, %v", r.LeaseDuration)
	}
	return fmt.Sprintf("held by %s for %v", r.HolderIdentity, r.LeaseDuration)
}

// saw takes note that the process has been told of a holder. By old news no shorter
// lease is believed. w.mu is held.
func (p *process) saw(obs elector.Observation) {
	before := p.newest
	p.newest = max(before, obs.Revision)
	switch r := obs.Record; {
	case r.HolderIdentity == "":
	case obs.Revision <= before:
		p.seen = max(p.seen, r.LeaseDuration)
	case r.HolderIdentity == p.identity:
		p.seen, p.waited = r.LeaseDuration, p.seen
	default:
		p.seen, p.waited = r.LeaseDuration, 0
	}
}

// Read implements elector.Lock.
func (p *process) Read(ctx context.Context) (elector.Observation, error) {
	return p.carry(ctx, read, elector.Observation{}, func(f fate) (elector.Observation, error) {
		obs := p.w.store.before(f.stale)
		if f.stale > 0 && obs.Revision != p.w.store.present().Revision {
			// It looks as if the lock had gone back, and is believed until the
			// lease in it has run out: that costs one more.
			p.delayed(max(p.w.judge.longest, obs.Record.LeaseDuration) + p.retry)
		}
		return obs, nil
	})
}

// before is the state a while ago.
func (s *store) before(age time.Duration) elector.Observation {
	i := len(s.past) - 1
	for i > 0 && s.past[i].at > s.w.now()-age {
		i--
	}
	obs := s.past[i].obs
	if !obs.Exists {
		return elector.Observation{}
	}
	return obs
}

// Write implements elector.Lock, with the conditions that internal/kube sends.
func (p *process) Write(ctx context.Context, from elector.Observation, to elector.Record) (elector.Observation, error) {
	kind := purpose(from, to)
	if kind == release {
		p.w.mu.Lock()
		if p.publishing && !p.ended {
			p.w.judge.accuse("%s releases while clients are still led there", p.name)
		}
		p.w.mu.Unlock()
	}
	var uid int
	var revision uint64
	if from.Exists {
		base := from.Origin.(object)
		uid, revision = base.uid, base.revision
	}
	// The process's wall clock is not everybody's.
	if !to.AcquireTime.IsZero() && !to.AcquireTime.Equal(from.Record.AcquireTime) {
		to.AcquireTime = to.AcquireTime.Add(p.wallOffset())
	}
	if !to.RenewTime.IsZero() && !to.RenewTime.Equal(from.Record.RenewTime) {
		to.RenewTime = to.RenewTime.Add(p.wallOffset())
	}
	return p.carry(ctx, kind, from, func(fate) (elector.Observation, error) {
		return p.w.store.put(uid, revision, to)
	})
}

func (p *process) wallOffset() time.Duration {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.wall
}

// String implements elector.Lock.
func (p *process) String() string { return "lock" }
