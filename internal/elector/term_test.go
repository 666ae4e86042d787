package elector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// instants of a term whose T0 is the node's first acquire.
func acquiredAt(t *testing.T, w *world, n *node) time.Duration {
	t.Helper()
	return only(t, w, w.server.of(n.Identity, "acquire")).sent
}

func TestTerm_RenewsEveryRetryPeriodFromTheSendingOfTheLastRenewal(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		begun := w.now()
		a.client.on(always(fault{Slow: 500 * time.Millisecond}, "renew"))
		w.at(time.Minute)
		sent := times(w.server.of("a", "renew"))
		previous := acquiredAt(t, w, a)
		for _, at := range sent {
			wantBetween(t, "renewal", at, previous+retry, previous+retry+time.Microsecond)
			previous = at
		}
		if len(sent) < 28 || !term.Valid() || closed(term.Over()) {
			t.Errorf("%d renewals since %v, valid: %v", len(sent), begun, term.Valid())
		}
		obs := w.server.look()
		if r := obs.Record; r.HolderIdentity != "a" || !r.RenewTime.After(r.AcquireTime) || r.LeaseTransitions != 0 {
			t.Errorf("the record is %+v", r)
		}
		if term.Token() == obs.Revision {
			t.Error("the token is that of a renewal")
		}
	})
}

func TestTerm_IsOverAtTheRenewDeadlineAndExpiresAtTheKillMargin(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"requests never arrive":     {Drop: true},
		"answers are lost":          {Lose: true},
		"answered an error":         {Refuse: errServer},
		"answered slowly an error":  {Late: 99 * time.Millisecond, Refuse: errServer},
		"answered without a change": {Idle: true},
		"forbidden":                 {Refuse: ErrForbidden},
		"told to wait":              {Refuse: &wrapped{"put", refusal{time.Hour}}},
		"conflicts without a cause": {Refuse: ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, rate := range []float64{1, 0.99, 1.01} {
				inBubble(t, func(t *testing.T, w *world) {
					a := w.node("a", func(c *Config) { c.HolderClock = newFakeClock(rate) })
					term := a.lead()
					over, expired := w.moment(term.Over()), w.moment(term.Expired())
					a.client.on(always(f, "renew"))
					w.at(20 * time.Second)
					t0 := acquiredAt(t, w, a)
					on := func(d time.Duration) time.Duration { return t0 + time.Duration(float64(d)/rate) }
					wantAt(t, "Over", over, on(deadline))
					wantAt(t, "Expired", expired, on(lease-margin))
					if !errors.Is(term.Cause(), ErrRenewDeadline) || errors.Is(term.Cause(), ErrTaken) {
						t.Errorf("the cause is %v", term.Cause())
					}
					if late := since(w.server.of("a", "create", "renew", "acquire", "read", "release"), on(deadline)); len(late) != 0 {
						t.Errorf("sent after the term was over: %v", times(late))
					}
				})
			}
		})
	}
}

// The instant before the send counts, so an answer that took long is worth less.
func TestTerm_T0IsTheInstantBeforeTheAnsweredWriteWasSent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.client.on(first(fault{Slow: 1500 * time.Millisecond}, "acquire"))
		term := a.campaign().elected(2 * time.Second)
		over := w.moment(term.Over())
		sent := acquiredAt(t, w, a)
		a.client.on(next("renew", fault{Late: 700 * time.Millisecond, Slow: 700 * time.Millisecond}, fault{Drop: true}, fault{Drop: true}))
		w.at(sent + lease)
		wantAt(t, "Over", over, w.server.of("a", "renew")[0].sent+deadline)
		wantBetween(t, "first renewal", w.server.of("a", "renew")[0].sent, sent+retry, sent+retry+time.Microsecond)
	})
}

// Reading one's own name is no proof of anything: it may have been read from
// behind the deadline of everybody else.
func TestTerm_T0IsNotMovedByWhatTheHolderReads(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		over := w.moment(term.Over())
		// All renewals are applied and seen by the watch; none is answered.
		a.client.on(always(fault{Lose: true}, "renew"))
		w.at(lease)
		if !w.server.look().Record.RenewTime.After(w.server.look().Record.AcquireTime) {
			t.Fatal("no renewal was applied")
		}
		wantAt(t, "Over", over, acquiredAt(t, w, a)+deadline)
	})
}

func TestTerm_TriesTwiceAtMostOnSilence(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.lead()
		a.client.on(always(fault{Drop: true}, "renew"))
		w.at(lease)
		t0 := acquiredAt(t, w, a)
		renewals := w.server.of("a", "renew")
		if a.client.highest["renew"] != 2 {
			t.Errorf("%d renewals at a time", a.client.highest["renew"])
		}
		wantBetween(t, "first try", renewals[0].sent, t0+retry, t0+retry+time.Microsecond)
		wantBetween(t, "second try", renewals[1].sent, t0+2*retry, t0+2*retry+time.Microsecond)
		if renewals[0].base.Revision != renewals[1].base.Revision {
			t.Error("the second try starts from another record")
		}
	})
}

// Slow answers: a renewal is sent when the one before it was answered, so two of them
// must fit into the RenewDeadline, or four where each renewal meets a write by somebody
// else.
func TestTerm_BearsAnAPIThatIsSlowWithEveryAnswer(t *testing.T) {
	t.Parallel()
	const moment = 10 * time.Millisecond
	for name, row := range map[string]struct {
		slow    fault
		meddled bool
		lost    bool
	}{
		"a quarter there":                   {slow: fault{Late: deadline / 4}},
		"a quarter back":                    {slow: fault{Slow: deadline / 4}},
		"an eighth there and back":          {slow: fault{Late: deadline / 8, Slow: deadline / 8}},
		"nearly half there":                 {slow: fault{Late: deadline/2 - moment}},
		"nearly half back":                  {slow: fault{Slow: deadline/2 - moment}},
		"half there":                        {slow: fault{Late: deadline / 2}, lost: true},
		"half back":                         {slow: fault{Slow: deadline / 2}, lost: true},
		"nearly a quarter there, and edits": {slow: fault{Late: deadline/4 - moment}, meddled: true},
		"nearly a quarter back, and edits":  {slow: fault{Slow: deadline/4 - moment}, meddled: true},
		"a quarter there, and edits":        {slow: fault{Late: deadline / 4}, meddled: true, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				slow := always(row.slow, "acquire", "renew", "read", "release", "claim")
				var met atomic.Int64 // the renewal after which somebody else has written
				a.client.on(func(r request) fault {
					if row.meddled && r.kind == "renew" {
						if now := w.server.look().Record.RenewTime.UnixMicro(); met.Swap(now) != now {
							w.server.edit(func(*object) {})
						}
					}
					return slow(r)
				})
				term := a.campaign().elected(20 * time.Second)
				for w.now() < time.Hour && !closed(term.Over()) {
					w.after(time.Second)
				}
				if closed(term.Over()) != row.lost || term.Valid() == row.lost {
					t.Fatalf("lost %t at %v, want %t\n%s", closed(term.Over()), w.now(), row.lost, w.server.story())
				}
			})
		})
	}
}

// One request in flight is dead with its connection; a new one works.
func TestTerm_SurvivesADeadConnection(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(request) fault{
		"the first try is silent":     next("renew", fault{Drop: true}),
		"its answer is lost":          next("renew", fault{Lose: true}),
		"the second fails":            next("renew", fault{Drop: true}, fault{Refuse: errServer}),
		"the second is told to wait":  next("renew", fault{Drop: true}, fault{Refuse: &wrapped{"put", refusal{time.Second}}}),
		"the second fails, and more":  next("renew", fault{Drop: true}, fault{Refuse: errServer}, fault{Refuse: errServer}),
		"the first fails in between":  next("renew", fault{Late: 3 * time.Second, Refuse: errServer}, fault{Slow: 3 * time.Second}),
		"a read after a conflict is":  silentRead(),
		"applied and lost, then down": next("renew", fault{Lose: true}, fault{Refuse: errServer}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				a.client.on(script)
				w.at(time.Minute)
				if closed(term.Over()) {
					t.Errorf("lost: %v\n%s", term.Cause(), w.server.story())
				}
			})
		})
	}
}

func silentRead() func(request) fault {
	renew, read := next("renew", fault{Lose: true}), next("read", fault{Drop: true}, fault{Refuse: errServer})
	return func(r request) fault {
		if r.kind == "read" {
			return read(r)
		}
		return renew(r)
	}
}

func TestTerm_WritesAgainWhenTheConflictIsItsOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		a.client.on(first(fault{Lose: true}, "renew"))
		w.at(5 * time.Second)
		t0 := acquiredAt(t, w, a)
		renewals := w.server.of("a", "renew")
		if len(renewals) < 3 || len(w.server.of("a", "read")) != 1 {
			t.Fatalf("the requests:\n%s", w.server.story())
		}
		wantBetween(t, "the write after the conflict", renewals[2].sent, t0+2*retry, t0+2*retry+10*time.Millisecond)
		if !term.Valid() {
			t.Error("lost")
		}
	})
}

// An heir's claim, or anybody's label, is no reason to give up.
func TestTerm_WritesAgainWhenSomethingBesideTheRecordChanged(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		a.client.lag(time.Second) // so that it starts from an old version
		for i := range 20 {
			w.at(time.Duration(i+1)*retry - 100*time.Millisecond)
			w.server.edit(func(o *object) { o.labels = fmt.Sprint(i) })
		}
		w.after(retry)
		if closed(term.Over()) {
			t.Errorf("lost: %v", term.Cause())
		}
		if got := w.server.look().Origin.(object).labels; got != "19" {
			t.Errorf("the label is %q", got)
		}
	})
}

func TestTerm_IsOverAndExpiredAtOnceWhenTheRecordIsSomebodyElses(t *testing.T) {
	t.Parallel()
	const taken = 3 * time.Second
	for name, row := range map[string]struct {
		deaf  bool // the watch is dead
		later Record
		by    time.Duration
		says  string // the cause
	}{
		"seen by the watch":           {false, Record{HolderIdentity: "b", LeaseDuration: lease, LeaseTransitions: 1}, taken + 5*time.Millisecond, "somebody else: b"},
		"seen by a conflict":          {true, Record{HolderIdentity: "b", LeaseDuration: lease, LeaseTransitions: 1}, 2*retry + 10*time.Millisecond, "somebody else: b"},
		"its namesake by the watch":   {false, heldBy(process("twin"), "a", lease), taken + 5*time.Millisecond, "another process of our own name, a"},
		"its namesake by a conflict":  {true, heldBy(process("twin"), "a", lease), 2*retry + 10*time.Millisecond, "another process of our own name, a"},
		"another tool under its name": {false, Record{HolderIdentity: "a", LeaseDuration: lease}, taken + 5*time.Millisecond, "our own name, a, without our annotation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				over, expired := w.moment(term.Over()), w.moment(term.Expired())
				w.at(taken)
				if row.deaf {
					a.client.deaden()
				}
				want := w.server.put(row.later)
				w.at(row.by)
				for what, at := range map[string]func() (time.Duration, bool){"Over": over, "Expired": expired} {
					got, ok := at()
					if !ok {
						t.Fatalf("%s: not by %v", what, w.now())
					}
					wantBetween(t, what, got, taken, row.by)
				}
				if !errors.Is(term.Cause(), ErrTaken) || term.Valid() || a.Status().ExpiresIn != 0 {
					t.Errorf("cause %v, valid %v, status %+v", term.Cause(), term.Valid(), a.Status())
				}
				if !strings.Contains(term.Cause().Error(), row.says) {
					t.Errorf("cause %v, want one that says %q", term.Cause(), row.says)
				}
				sent := len(w.server.of("a", "create", "renew", "acquire", "release", "read"))
				if err := term.Release(context.Background()); err != nil {
					t.Error(err)
				}
				w.after(time.Minute)
				if now := len(w.server.of("a", "create", "renew", "acquire", "release", "read")); now != sent {
					t.Errorf("%d requests after the loss", now-sent)
				}
				if got := w.server.look(); got.Revision != want.Revision {
					t.Errorf("the other's record was changed to %+v", got.Record)
				}
			})
		})
	}
}

// The record without the mark may as well be another's, so the term ends; but
// who reads the log must learn what to look for.
func TestTerm_SaysThatAWebhookMayHaveTakenTheMarkFromItsRenewal(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		over := w.moment(term.Over())
		w.server.intercept(func(r *Record) { r.Instance = "" })
		w.at(2 * retry)
		if at, ok := over(); !ok {
			t.Fatal("the term goes on under a record that is nobody's for sure")
		} else {
			wantBetween(t, "Over", at, retry, retry+10*time.Millisecond)
		}
		if cause := term.Cause(); !errors.Is(cause, ErrTaken) || !strings.Contains(cause.Error(), "an admission webhook must leave those of k8s-await-election alone") {
			t.Errorf("cause %v", cause)
		}
		if a.log.count("admission webhook") == 0 {
			t.Error("the log does not say so")
		}
	})
}

func TestTerm_PutsItsRecordRightAtOnceWhenItIsGone(t *testing.T) {
	t.Parallel()
	const gone = 3 * time.Second
	for name, row := range map[string]struct {
		harm  func(*server)
		fault fault // of the first repair
		by    time.Duration
	}{
		"deleted":                 {harm: func(s *server) { s.remove() }},
		"deleted and made empty":  {harm: func(s *server) { s.remove(); s.put(Record{}) }},
		"emptied":                 {harm: func(s *server) { s.put(Record{}) }},
		"emptied, duration kept":  {harm: func(s *server) { s.put(Record{LeaseDuration: lease, LeaseTransitions: 7}) }},
		"released by hand":        {harm: func(s *server) { s.put(released()) }},
		"duration edited":         {harm: func(s *server) { s.edit(func(o *object) { o.record.LeaseDuration = time.Hour }) }},
		"times edited":            {harm: func(s *server) { s.edit(func(o *object) { o.record.RenewTime = time.Time{} }) }},
		"an unknown field edited": {harm: func(s *server) { s.edit(func(o *object) { o.unknown = "x" }) }},
		"deleted, repair fails":   {harm: func(s *server) { s.remove() }, fault: fault{Refuse: errServer}, by: retry},
		"deleted, repair is lost": {harm: func(s *server) { s.remove() }, fault: fault{Lose: true}, by: retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				token := term.Token()
				w.at(gone)
				repairs := 0
				a.client.on(func(request) fault {
					if repairs++; repairs == 1 {
						return row.fault
					}
					return fault{}
				})
				row.harm(w.server)
				w.at(gone + row.by + 15*time.Millisecond)
				obs := w.server.look()
				if obs.Record.HolderIdentity != "a" || obs.Record.LeaseDuration != lease || !a.mine(obs) {
					t.Errorf("the record is %+v\n%s", obs.Record, w.server.story())
				}
				w.at(time.Minute)
				if closed(term.Over()) || term.Token() != token {
					t.Errorf("lost: %v; token %d, was %d", term.Cause(), term.Token(), token)
				}
			})
		})
	}
}

// Somebody who undoes each repair must not get the API server flooded.
func TestTerm_RepairsOncePerHarm(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.lead()
		before := len(w.server.of("a", "create", "renew", "acquire", "read"))
		for i := range 10 {
			w.at(time.Duration(i+1)*time.Second + 500*time.Millisecond)
			w.server.remove()
		}
		w.after(blink)
		if n := len(w.server.of("a", "create", "renew", "acquire", "read")) - before; n > 25 {
			t.Errorf("%d requests for ten deletions", n)
		}
	})
}

func TestTerm_LateRenewalsOnlyMoveTheKill(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		over, expired := w.moment(term.Over()), w.moment(term.Expired())
		answer := make(chan struct{})
		a.client.on(next("renew", fault{Hold: answer}, fault{Drop: true}))
		t0 := acquiredAt(t, w, a)
		w.at(t0 + deadline + time.Second)
		close(answer)
		w.after(blink)
		if term.Valid() || a.Status().ExpiresIn != 0 {
			t.Error("the late answer made the term valid again")
		}
		sent := len(w.server.of("a", "renew", "read"))
		w.at(t0 + 2*lease)
		wantAt(t, "Over", over, t0+deadline)
		wantAt(t, "Expired", expired, w.server.of("a", "renew")[0].sent+lease-margin)
		if now := len(w.server.of("a", "renew", "read")); now != sent {
			t.Errorf("%d requests after the term was over", now-sent)
		}
		if !errors.Is(term.Cause(), ErrRenewDeadline) {
			t.Errorf("cause %v", term.Cause())
		}
	})
}

// A try that began just before the deadline gets no second one after it.
func TestTerm_SendsNothingAfterItIsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		t0 := acquiredAt(t, w, a)
		a.client.on(func(r request) fault {
			if r.sent > t0+8*time.Second {
				return fault{Drop: true}
			}
			return fault{Late: 300 * time.Millisecond, Refuse: errServer}
		})
		w.at(t0 + 2*lease)
		if !closed(term.Expired()) {
			t.Fatal("not expired")
		}
		if late := since(w.server.of("a", "renew", "read"), t0+deadline); len(late) != 0 {
			t.Errorf("sent %v after T0", times(late)[0]-t0)
		}
	})
}

func TestTerm_StaysOverWhenTheAnswerArrivesTogetherWithTheDeadline(t *testing.T) {
	t.Parallel()
	// Both wake-ups are ready at once and select takes either: often enough.
	for range 40 {
		inBubble(t, func(t *testing.T, w *world) {
			a := w.node("a")
			term := a.lead()
			a.client.on(next("renew", fault{Slow: time.Second}))
			renewal := acquiredAt(t, w, a) + retry
			// The process is not run from before the answer to after the deadline.
			w.at(renewal + 500*time.Millisecond)
			a.boot.JumpUnnoticed(deadline - retry)
			if term.Valid() {
				t.Fatal("valid past the deadline")
			}
			w.at(renewal + time.Second + blink)
			if term.Valid() || !closed(term.Over()) {
				t.Fatal("a term that was over is valid again")
			}
		})
	}
}

func TestTerm_IsNotValidPastTheDeadlineEvenIfItsGoroutineIsStuck(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		a.boot.JumpUnnoticed(deadline)
		if closed(term.Over()) {
			t.Fatal("the goroutine is not stuck")
		}
		if term.Valid() {
			t.Error("valid")
		}
		if got := a.Status(); !got.Holding || got.ExpiresIn != 0 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestTerm_ExpiresAtOnceWhenTheMachineWasSuspended(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		w.at(5 * time.Second)
		a.boot.Jump(lease)
		synctest.Wait()
		if !closed(term.Over()) || !closed(term.Expired()) || !errors.Is(term.Cause(), ErrRenewDeadline) {
			t.Errorf("over %v, expired %v", closed(term.Over()), closed(term.Expired()))
		}
	})
}

func TestTerm_RenewsOnceWhenTheWallClockIsSet(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		steps := make(chan struct{}, 1)
		a := w.node("a", func(c *Config) { c.WallSteps = steps })
		term := a.lead()
		t0 := acquiredAt(t, w, a)
		w.at(t0 + time.Second)
		steps <- struct{}{}
		w.at(t0 + 2*time.Second + blink)
		only(t, w, w.server.of("a", "renew"))
		wantBetween(t, "renewal", w.server.of("a", "renew")[0].sent, t0+time.Second, t0+time.Second+time.Millisecond)
		w.at(t0 + 3*time.Second + blink)
		if n := len(w.server.of("a", "renew")); n != 2 || !term.Valid() {
			t.Errorf("%d renewals, valid: %v", n, term.Valid())
		}
	})
}

func TestTerm_WaitsAsLongAsTheServerAsksButTriesBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]time.Duration{
		3 * time.Second: retry + 3*time.Second,
		time.Hour:       deadline - retry,
	} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				t0 := acquiredAt(t, w, a)
				a.client.on(first(fault{Refuse: &wrapped{"put", refusal{wait}}}, "renew"))
				w.at(t0 + deadline + time.Second)
				second := w.server.of("a", "renew")[1].sent
				wantBetween(t, "the next try", second, t0+want, t0+want+10*time.Millisecond)
				if closed(term.Over()) {
					t.Error("lost")
				}
			})
		})
	}
}

func TestTerm_TriesBeforeTheDeadlineThoughATryIsSilentAndTheServerAsksToWait(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		t0 := acquiredAt(t, w, a)
		a.client.on(next("renew", fault{Drop: true}, fault{Refuse: &wrapped{"put", refusal{time.Hour}}}))
		w.at(t0 + deadline + time.Second)
		third := w.server.of("a", "renew")[2].sent
		wantBetween(t, "the third try", third, t0+deadline-retry, t0+deadline-retry+10*time.Millisecond)
		if closed(term.Over()) {
			t.Error("lost")
		}
	})
}

// The pause that conflicts without a cause ask for is over by then.
func TestTerm_TriesBeforeTheDeadlineThoughItsReadAfterConflictsHadToWait(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		const conflicts = 10 // the last of them asks for a whole RetryPeriod
		a := w.node("a")
		term := a.lead()
		t0 := acquiredAt(t, w, a)
		renew := next("renew", slices.Repeat([]fault{{Refuse: ErrConflict}}, conflicts)...)
		read := next("read", append(make([]fault, conflicts-1), fault{Refuse: &wrapped{"get", refusal{time.Hour}}})...)
		a.client.on(func(r request) fault {
			if r.kind == "read" {
				return read(r)
			}
			return renew(r)
		})
		w.at(t0 + deadline + time.Second)
		last := w.server.of("a", "renew")[conflicts].sent
		wantBetween(t, "the try after them", last, t0+deadline-retry, t0+deadline-retry+10*time.Millisecond)
		if closed(term.Over()) {
			t.Error("lost")
		}
	})
}

func TestRelease_LeavesAReleasedRecordAndEndsTheTerm(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		w.at(5 * time.Second)
		begun := w.now()
		if err := term.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
		if took := w.now() - begun; took > 10*time.Millisecond {
			t.Errorf("took %v", took)
		}
		r := w.server.look().Record
		if r.HolderIdentity != "" || r.LeaseDuration != time.Second || r.LeaseTransitions != 0 || r.Instance != "" || r.RenewTime.IsZero() {
			t.Errorf("left %+v", r)
		}
		if term.Valid() || a.Status().Holding || a.Status().ExpiresIn != 0 {
			t.Error("still valid")
		}
		sent := len(w.server.of("a"))
		w.at(time.Minute)
		if now := len(w.server.of("a")); now != sent {
			t.Errorf("%d requests after Release", now-sent)
		}
	})
}

func TestRelease_OfATermThatIsOverStillReleasesItsOwnRecord(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		a.client.on(always(fault{Drop: true}, "renew"))
		<-term.Expired()
		a.client.on(nil)
		if err := term.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
		if r := w.server.look().Record; r.HolderIdentity != "" || r.LeaseDuration != time.Second {
			t.Errorf("left %+v", r)
		}
	})
}

func TestRelease_ReadsAgainOnConflict(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		meanwhile func(*server)
		holder    string
		kept      bool // not touched
	}{
		"a label":                {func(s *server) { s.edit(func(o *object) { o.labels = "x" }) }, "", false},
		"an heir":                {func(s *server) { s.edit(func(o *object) { o.record.Heir = claimOf(o.record, "b") }) }, "", false},
		"another holder":         {func(s *server) { s.put(held("b", lease)) }, "b", true},
		"a namesake":             {func(s *server) { s.put(heldBy(process("twin"), "a", lease)) }, "a", true},
		"another tool's release": {func(s *server) { s.put(released()) }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				w.at(time.Second)
				a.client.deaden()
				row.meanwhile(w.server)
				before := w.server.look()
				if err := term.Release(context.Background()); err != nil {
					t.Fatal(err)
				}
				after := w.server.look()
				if after.Record.HolderIdentity != row.holder || (after.Revision == before.Revision) != row.kept {
					t.Errorf("left %+v", after.Record)
				}
				if heir := markOf(before.Record.Heir, before.Record).Heir; heir != markOf(after.Record.Heir, after.Record).Heir {
					t.Errorf("the heir was %q, now the hint is %q", heir, after.Record.Heir)
				}
				if got := after.Origin.(object).labels; got != before.Origin.(object).labels {
					t.Errorf("the label is %q", got)
				}
			})
		})
	}
}

func claimOf(r Record, heir string) string {
	return mark{Holder: r.HolderIdentity, Transitions: r.LeaseTransitions, Heir: heir}.String()
}

func TestRelease_EndsByTheRenewDeadlineAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"requests never arrive": {Drop: true},
		"answers are lost":      {Lose: true},
		"errors":                {Refuse: errServer},
		"forbidden":             {Refuse: ErrForbidden},
		"told to wait":          {Refuse: &wrapped{"put", refusal{time.Hour}}},
		"conflicts for ever":    {Refuse: ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				w.at(time.Second)
				a.client.deaden()
				a.client.on(always(f, "release", "read"))
				err := term.Release(context.Background())
				if took := w.now() - time.Second; took > deadline+retry/2 {
					t.Errorf("took %v", took)
				}
				if err == nil {
					t.Error("no error")
				}
				if n := len(w.server.of("a", "release", "read")); n > 30 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

func TestRelease_TriesAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(request) fault{
		"an error":                       next("release", fault{Refuse: errServer}),
		"silence":                        next("release", fault{Drop: true}),
		"a lost answer":                  next("release", fault{Lose: true}),
		"an hour to wait":                next("release", fault{Refuse: &wrapped{"put", refusal{time.Hour}}}),
		"silence, then an error":         next("release", fault{Drop: true}, fault{Refuse: errServer}),
		"a conflict and an unread state": conflictUnread(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				w.at(time.Second)
				a.client.on(script)
				if err := term.Release(context.Background()); err != nil {
					t.Error(err)
				}
				if r := w.server.look().Record; r.HolderIdentity != "" || r.LeaseDuration != time.Second {
					t.Errorf("left %+v\n%s", r, w.server.story())
				}
				if w.now() > time.Second+deadline {
					t.Errorf("ended at %v", w.now())
				}
			})
		})
	}
}

func conflictUnread() func(request) fault {
	release, read := next("release", fault{Refuse: ErrConflict}), next("read", fault{Refuse: errServer})
	return func(r request) fault {
		if r.kind == "read" {
			return read(r)
		}
		return release(r)
	}
}

func TestRelease_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		a.client.on(always(fault{Drop: true}))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begun := w.now()
		if err := term.Release(ctx); err == nil {
			t.Error("no error")
		}
		if took := w.now() - begun; took > time.Second+10*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// The renewal that is under way when the release begins may arrive after it.
func TestRelease_HoldsThoughARenewalIsStillOnItsWay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		a.client.on(first(fault{Late: 50 * time.Millisecond, Stubborn: true}, "renew"))
		w.at(acquiredAt(t, w, a) + retry + 10*time.Millisecond)
		if err := term.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.at(10 * time.Second)
		if r := w.server.look().Record; r.HolderIdentity != "" || r.LeaseDuration != time.Second {
			t.Errorf("left %+v", r)
		}
	})
}

func TestLapse_StopsTheRenewalsAndLetsTheLeaseRunOut(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*world, *node){
		"between renewals":       func(w *world, _ *node) { w.at(3 * time.Second) },
		"while one is under way": func(w *world, a *node) { a.client.on(always(fault{Lose: true}, "renew")); w.at(3 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				over, expired := w.moment(term.Over()), w.moment(term.Expired())
				before(w, a)
				term.Lapse()
				sent := len(w.server.of("a"))
				t0 := w.now() - (a.boot.Now() - term.renewed())
				w.at(time.Minute)
				if now := len(w.server.of("a")); now != sent {
					t.Errorf("%d requests after Lapse:\n%s", now-sent, w.server.story())
				}
				wantAt(t, "Over", over, t0+deadline)
				wantAt(t, "Expired", expired, t0+lease-margin)
				if r := w.server.look().Record; r.HolderIdentity != "a" {
					t.Errorf("the record is %+v", r)
				}
			})
		})
	}
}

func TestAbandon_EndsTheTermWithoutAWord(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		w.at(3 * time.Second)
		term.Abandon()
		sent := len(w.server.of("a"))
		w.at(time.Minute)
		if now := len(w.server.of("a")); now != sent {
			t.Errorf("%d requests after Abandon", now-sent)
		}
		if term.Valid() || a.Status().Holding || a.Status().ExpiresIn != 0 {
			t.Error("still valid")
		}
		if n := a.boot.Timers(); n != 0 {
			t.Errorf("%d timers of the holder's clock are left", n)
		}
		if err := a.Status().Unreadable; err != nil {
			t.Errorf("the lock is said to be unreadable: %v", err)
		}
	})
}

func TestCampaign_AfterAnEarlierTermOfTheSameElector(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Term){
		"released":  func(term *Term) { _ = term.Release(context.Background()) },
		"abandoned": func(term *Term) { term.Abandon() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				former := a.lead()
				w.at(3 * time.Second)
				end(former)
				term := a.lead()
				if term.Token() <= former.Token() {
					t.Errorf("token %d after %d", term.Token(), former.Token())
				}
				w.at(time.Minute)
				if !term.Valid() || former.Valid() {
					t.Errorf("valid: the former %v, the present %v", former.Valid(), term.Valid())
				}
			})
		})
	}
}

// The record is the holder's, but the way to it passed through another holder.
func TestTerm_TokensGrowFromHolderToHolder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.node("a"), w.node("b")
		var tokens []uint64
		for range 5 {
			for _, n := range []*node{a, b} {
				term := n.campaign().elected(2 * lease)
				tokens = append(tokens, term.Token())
				w.after(3 * time.Second)
				if err := term.Release(context.Background()); err != nil {
					t.Fatal(err)
				}
				w.server.remove()
				w.after(2 * lease)
			}
		}
		if !slices.IsSorted(tokens) || len(slices.Compact(tokens)) != 10 {
			t.Errorf("tokens %v", tokens)
		}
	})
}
