package elector

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Why a term is over (errors.Is on Term.Cause).
var (
	// ErrRenewDeadline: no renewal was answered in time. Nobody else holds the
	// lock yet; the child may end by itself until Expired.
	ErrRenewDeadline = errors.New("not renewed in time")
	// ErrTaken: the record is somebody else's.
	ErrTaken = errors.New("taken by somebody else")
)

// Term is the time during which this process holds the lock. Its deadline runs
// from the moment it exists. Release or Abandon must be called once.
type Term struct {
	e     *Elector
	token uint64

	t0 atomic.Int64
	// spec is the record as this process last wrote it.
	spec string
	// heir is who is named heir, since when. For hold alone.
	heir      string
	heirSince time.Duration

	over, expired chan struct{}
	cause         error

	lapsing, closing chan struct{}
	held             chan struct{}
}

// newTerm starts a term from the answer to an acquiring write; nil if its
// deadline has passed already.
func newTerm(e *Elector, a answer) *Term {
	t := &Term{
		e:       e,
		token:   a.obs.Revision,
		spec:    a.obs.Spec,
		over:    make(chan struct{}),
		expired: make(chan struct{}),
		lapsing: make(chan struct{}),
		closing: make(chan struct{}),
		held:    make(chan struct{}),
	}
	t.answered(a.sent)
	if !t.Valid() {
		return nil
	}
	e.term.Store(t)
	e.Changed()
	go t.hold()
	return t
}

// Token is the fencing token: greater than that of every earlier term.
func (t *Term) Token() uint64 { return t.token }

// Over is closed when the child must be told to stop: the RenewDeadline has
// passed, or the lock is somebody else's.
func (t *Term) Over() <-chan struct{} { return t.over }

// Cause is why the term is over. Valid once Over is closed.
func (t *Term) Cause() error { return t.cause }

// Expired is closed when all that is left of the child must be killed: at
// T0 + LeaseDuration − KillMargin, or at once where somebody else has the lock.
// Over is closed before it.
func (t *Term) Expired() <-chan struct{} { return t.expired }

// Valid reports whether the child may be started now, and whether this process
// may call itself the leader. It reads the clock, so it is right even if the
// goroutine that closes Over is late. Any goroutine may call it.
func (t *Term) Valid() bool {
	select {
	case <-t.over:
		return false
	case <-t.closing:
		return false
	default:
		return t.e.HolderClock.Now() < t.renewed()+t.e.RenewDeadline
	}
}

// HasHeir reports whether a candidate is known that will take the lock as soon
// as it is released.
func (t *Term) HasHeir() bool {
	heir := t.e.sight.look().heir()
	return heir != "" && heir != t.e.Identity
}

// Lapse stops the renewals, for a child that cannot be proven dead: Expired
// closes at the deadline, and the lock is left to run out. To be called at most
// once.
func (t *Term) Lapse() { close(t.lapsing) }

// releasePatience is how long the last of three tries of a release may take. A
// container that is to end has little time left.
const releasePatience = 500 * time.Millisecond

// Release gives the lock up, if the record is still this process's. The caller
// has seen that the child and everything it started is dead. It may take
// half a second more than two RetryPeriods, for a dead connection and a failure;
// the error says why others have to wait for the end of the lease.
func (t *Term) Release(ctx context.Context) error {
	t.Abandon()
	patience := min(t.e.RenewDeadline, 2*t.e.RetryPeriod+releasePatience)
	released, err := t.e.giveUp(ctx, t.e.HolderClock.Now()+patience)
	if err != nil {
		return fmt.Errorf("release %s: %w", t.e.Lock, err)
	}
	if released {
		t.e.Logger.Info("released", "token", t.token)
	}
	return nil
}

// Abandon ends the term without a word: no more renewals, no release.
func (t *Term) Abandon() {
	close(t.closing)
	<-t.held
	t.e.term.CompareAndSwap(t, nil)
	t.e.Changed()
}

// answered moves T0 to the instant at which a write was sent that has succeeded.
func (t *Term) answered(sent time.Duration) {
	t0 := max(sent, t.renewed())
	t.e.Deadline(t0 + t.e.LeaseDuration - KillMargin(t.e.LeaseDuration))
	t.t0.Store(int64(t0))
	t.e.Changed()
}

// renewed is T0.
func (t *Term) renewed() time.Duration { return time.Duration(t.t0.Load()) }

func (t *Term) end(cause error) {
	select {
	case <-t.over:
	default:
		t.cause = cause
		close(t.over)
		t.e.Changed()
		t.e.Logger.Warn("lease lost", "reason", cause)
	}
}

// hold renews until the term is closed or its lease has expired. Deadlines are
// read off the clock each time it wakes, never off the kind of wake-up.
func (t *Term) hold() {
	defer close(t.held)
	ctx, drop := context.WithCancel(context.Background())
	defer drop()
	e, clock := t.e, t.e.HolderClock
	timer := clock.NewTimer()
	defer timer.Stop()
	late := fmt.Errorf("%w (%v)", ErrRenewDeadline, e.RenewDeadline)

	var (
		writing, reading chan answer
		// unsettled: the lock is not what was thought; read before writing.
		unsettled bool
		// repaired is the sighting that a rewrite was last due for.
		repaired uint64
		due      = t.renewed() + e.RetryPeriod
		// silent: nothing more is sent. What was sent before may still be
		// answered and move the kill.
		silent  bool
		lapsing = t.lapsing
		// tried is the revision that the last write started from, refused when it
		// met a conflict.
		tried   uint64
		refused time.Duration
		futile  futility
	)
	for {
		now, s := clock.Now(), e.sight.look()
		deadline := t.renewed() + e.RenewDeadline
		kill := t.renewed() + e.LeaseDuration - KillMargin(e.LeaseDuration)
		wake := deadline

		switch {
		case t.foreign(s):
			t.end(t.taken(s))
			close(t.expired)
			return
		case now >= kill:
			t.end(late)
			close(t.expired)
			return
		case now >= deadline:
			t.end(late)
			silent = true
		case s.obs.Spec != t.spec && s.seq != repaired:
			// Deleted, emptied or edited: put right at once.
			repaired, due = s.seq, now
		}
		switch idle := writing == nil && reading == nil; {
		case silent && now >= deadline:
			wake = kill
		case silent:
		case idle && now < due:
			wake = min(due, deadline)
		case idle && unsettled:
			reading = background(func() answer {
				return e.read(ctx, question{until: kill, mayRepeat: t.mayRepeat, pause: t.pauseAfter})
			})
		case idle:
			q, to := question{operation: renew, until: kill, mayRepeat: t.mayRepeat, pause: t.pauseAfter}, t.renewal(s)
			if !s.obs.Exists {
				// Made anew without a holder first, for the reason that
				// candidate.create gives.
				q.operation, to = create, Record{}
			}
			tried = s.obs.Revision
			writing = background(func() answer { return e.write(ctx, q, s.obs, to) })
		}

		timer.Reset(wake)
		select {
		case <-t.closing:
			return
		case <-lapsing:
			lapsing, silent = nil, true
		case <-timer.C():
		case <-e.sight.stirred:
		case <-e.WallSteps:
			due = clock.Now()
		case a := <-writing:
			writing = nil
			switch {
			case a.err == nil && !e.mine(a.obs):
				due = clock.Now() // created: T0 stands
			case a.err == nil && clock.Now() >= t.renewed()+e.RenewDeadline:
				// Too late to go on, but the kill moves.
				t.end(late)
				silent = true
				t.answered(a.sent)
				t.spec = a.obs.Spec
			case a.err == nil:
				t.answered(a.sent)
				t.spec = a.obs.Spec
				due = t.renewed() + e.RetryPeriod
			case errors.Is(a.err, ErrConflict):
				refused = clock.Now()
				unsettled, due = true, refused
			default:
				due = t.again(renew, a.err)
			}
		case a := <-reading:
			reading = nil
			unsettled, due = a.err != nil, clock.Now()
			if a.err != nil {
				due = t.again("read", a.err)
			} else {
				// Not from now: the read may have waited longer for its turn.
				due = max(due, refused+futile.after(tried, a.obs.Revision, e.RetryPeriod))
				if pause := due - clock.Now(); pause > 0 {
					e.tell("renewal failed", errFutile, pause)
				}
			}
		}
	}
}

// mayRepeat reports whether more may be sent in this term. It reads the clock,
// not what hold has made of it.
func (t *Term) mayRepeat() bool {
	select {
	case <-t.lapsing:
		return false
	default:
		return t.Valid()
	}
}

// foreign reports whether the record names a holder that is not this process.
func (t *Term) foreign(s sighting) bool {
	return s.obs.Record.HolderIdentity != "" && s.obs.Spec != t.spec && !t.e.mine(s.obs)
}

// taken says who has the record. One of our own name that is not known for ours
// may be ours, with the mark removed; what follows must be the same, as it may
// also be that of another process.
func (t *Term) taken(s sighting) error {
	holder := s.obs.Record.HolderIdentity
	switch {
	case holder != t.e.Identity:
		return fmt.Errorf("%w: %s", ErrTaken, holder)
	case s.gate() == nil:
		return fmt.Errorf("%w: a record of our own name, %s, without our annotation: an admission webhook must leave those of k8s-await-election alone, and no other tool may use this identity", ErrTaken, holder)
	default:
		return fmt.Errorf("%w: another process of our own name, %s: give each its own identity", ErrTaken, holder)
	}
}

// again is when to try once more after a failure.
func (t *Term) again(operation string, err error) time.Duration {
	pause := t.pauseAfter(err)
	t.e.Logger.Warn("renewal failed", "operation", operation, "next", pause.Round(time.Millisecond), "err", err)
	return t.e.HolderClock.Now() + pause
}

// pauseAfter is how long to wait after a failure: as long as the server asks, but
// with a last try before the deadline. Any goroutine may call it.
func (t *Term) pauseAfter(err error) time.Duration {
	e := t.e
	pause := e.pauseAfter(err)
	if left := t.renewed() + e.RenewDeadline - e.RetryPeriod - e.HolderClock.Now(); pause > left {
		pause = max(e.RetryPeriod, left)
	}
	return pause
}

// heirTerm is how long an heir is believed to live. One that does claims its
// place again; one that does not would be waited for at each hand-over.
const heirTerm = 5 * time.Minute

// renewal is the record that keeps the lock ours.
func (t *Term) renewal(s sighting) Record {
	e := t.e
	to := s.obs.Record
	to.RenewTime = time.Now()
	to.LeaseDuration = storedDuration(e.LeaseDuration)
	if to.HolderIdentity == "" {
		to.HolderIdentity = e.Identity
		to.AcquireTime = to.RenewTime
		to.Heir = ""
	}
	if heir, now := s.heir(), e.HolderClock.Now(); heir != t.heir {
		t.heir, t.heirSince = heir, now
	} else if now >= t.heirSince+heirTerm {
		to.Heir, t.heir = "", ""
	}
	to.Instance = mark{Holder: to.HolderIdentity, Transitions: to.LeaseTransitions, Instance: &e.Instance}.String()
	return to
}
