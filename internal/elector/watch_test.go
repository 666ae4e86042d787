package elector

import (
	"errors"
	"testing"
	"time"
)

func TestRun_PollsWhereWatchingIsForbiddenAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		a := w.node("a")
		a.client.on(always(fault{Refuse: &wrapped{"watch leases: add this rule", ErrForbidden}}, "watch"))
		c := a.campaign()
		for w.now() < 5*time.Minute {
			w.after(retry)
			w.server.put(held("b", lease))
		}
		polls := len(w.server.of("a", "read"))
		if polls < 140 || polls > 151 {
			t.Errorf("%d polls in five minutes", polls)
		}
		if n := a.log.count("add this rule"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if s := a.Status(); s.HolderIdentity != "b" || s.Unreadable != nil {
			t.Errorf("status %+v", s)
		}
		w.server.put(released())
		c.elected(retry + blink)
	})
}

func TestRun_WatchesAgainOnceThatIsAllowed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", time.Hour))
		a := w.node("a")
		a.client.on(always(fault{Refuse: ErrForbidden}, "watch"))
		w.at(time.Minute)
		a.client.on(nil)
		w.at(3 * time.Minute)
		polls := len(w.server.of("a", "read"))
		w.at(10 * time.Minute)
		if n := len(w.server.of("a", "read")) - polls; n != 0 {
			t.Errorf("%d polls beside a watch", n)
		}
	})
}

func TestRun_ShowsThatReadingIsForbidden(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.client.on(func(r request) fault {
			return fault{Refuse: &wrapped{r.kind + " leases: add this rule", ErrForbidden}}
		})
		c := a.campaign()
		w.at(time.Minute)
		if s := a.Status(); s.Known || !errors.Is(s.Unreadable, ErrForbidden) {
			t.Errorf("status %+v", s)
		}
		for _, kind := range []string{"watch", "read"} {
			if a.log.count(kind+" leases: add this rule") == 0 {
				t.Errorf("the log does not say that %s is forbidden", kind)
			}
		}
		a.client.on(nil)
		c.elected(retry + blink)
		if s := a.Status(); s.Unreadable != nil {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRun_WatchesAgainAfterABreak(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		a := w.node("a")
		c := a.campaign()
		w.at(5 * time.Second)
		a.client.sever(errServer)
		w.server.put(released()) // in the gap
		c.elected(2*retry + blink)
		if a.Status().Unreadable != nil {
			t.Errorf("status %+v", a.Status())
		}
	})
}

// What happened in the gap counts from when it is received.
func TestRun_CountsFromTheReceiptOfWhatHappenedInAGap(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		a := w.node("a")
		c := a.campaign()
		w.at(5 * time.Second)
		a.client.sever(errServer)
		w.server.put(held("b", lease))
		w.at(8 * time.Second)
		received := w.server.of("a", "watch")[1].sent + 2*travel
		c.elected(time.Minute)
		wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, received+lease, received+lease+15*time.Millisecond)
	})
}

// A server, or a proxy before it, that answers reads and no watch.
func TestRun_StillSeesTheLockWhenEveryWatchFails(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"with an error":  {Refuse: errServer},
		"with a silence": {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				a.client.on(always(f, "watch"))
				c := a.campaign()
				c.elected(2 * lease)
			})
		})
	}
}

func TestRun_NoticesADeadWatch(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		a := w.node("a")
		c := a.campaign()
		w.at(time.Second)
		a.client.deaden()
		for w.now() < 3*lease {
			w.after(retry)
			w.server.put(held("b", lease))
		}
		if n := len(w.server.of("a", "watch")); n != 2 {
			t.Errorf("%d watches, want a second one", n)
		}
		if n := len(w.server.of("a", "acquire", "read")); n > 4 {
			t.Errorf("%d requests:\n%s", n, w.server.story())
		}
		w.server.put(released())
		c.elected(blink)
	})
}

func TestRun_WaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	busy := fault{Refuse: &wrapped{"busy", refusal{30 * time.Second}}}
	for name, script := range map[string]func(request) fault{
		"watching": always(busy, "watch"),
		"polling": func(r request) fault {
			if r.kind == "watch" {
				return fault{Refuse: ErrForbidden}
			}
			return busy
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				a.client.on(script)
				a.campaign()
				w.at(10 * time.Minute)
				if n := len(w.server.of("a", "watch")) + len(w.server.of("a", "read")); n > 50 {
					t.Errorf("%d requests in ten minutes", n)
				}
			})
		})
	}
}

func TestRun_SeesADeletionItsWatchHasNoRevisionFor(t *testing.T) {
	t.Parallel()
	t.Run("the candidate", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, w *world) {
			w.server.nameless = true
			w.server.put(held("b", lease))
			a := w.node("a")
			c := a.campaign()
			w.at(5 * time.Second)
			a.client.sever(errServer)
			w.server.remove()
			w.at(5*time.Second + 2*retry)
			if a.Status().HolderIdentity != "" {
				t.Error("the deletion was not seen")
			}
			c.elected(2 * lease)
			wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, 5*time.Second+lease, 5*time.Second+lease+2*retry)
		})
	})
	t.Run("the holder", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, w *world) {
			w.server.nameless = true
			a := w.node("a")
			term := a.lead()
			w.at(acquiredAt(t, w, a) + 3*retry + blink)
			a.client.sever(errServer)
			w.server.remove()
			w.after(2*retry + blink)
			if w.server.look().Record.HolderIdentity != "a" || closed(term.Over()) {
				t.Errorf("the record is %+v", w.server.look().Record)
			}
		})
	})
}

// A late event from before the deletion must not bring the dead back.
func TestSight_DoesNotTakeALateEventForANewState(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		s := newSight(newFakeClock(1), lease, func() {})
		server := w.server
		theirs := server.put(held("b", lease))
		ours, err := server.write(theirs, held("a", lease))
		if err != nil {
			t.Fatal(err)
		}
		s.wrote(ours)
		server.remove()
		s.read(server.look(), s.look().seq) // absent, of no known revision
		s.watch(theirs)
		if got := s.look().obs; got.Exists {
			t.Errorf("sees %+v again", got.Record)
		}
	})
}

// What a late event follows is not what was read since, nor is one absence known
// to be another.
func TestSight_DoesNotCountFromBeforeWhatItReadSince(t *testing.T) {
	t.Parallel()
	emptied := func(s *server) { s.put(Record{LeaseDuration: lease}) }
	for name, row := range map[string]struct {
		vanish func(*server)
		late   func(*server) Observation
	}{
		"emptied": {emptied, func(s *server) Observation { return s.edit(func(o *object) { o.labels = "x" }) }},
		"absent":  {(*server).remove, func(*server) Observation { return Observation{} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				clock := newFakeClock(1)
				s := newSight(clock, lease, func() {})
				row.vanish(w.server)
				s.watch(w.server.look())
				w.at(time.Second)
				late := row.late(w.server)
				late.Follows = true
				s.read(w.server.put(held("b", lease)), s.look().seq)
				row.vanish(w.server)
				w.at(2 * time.Second)
				s.read(w.server.look(), s.look().seq)
				read := clock.Now()
				s.watch(late)
				if got := s.look().changed; got != read {
					t.Errorf("counts from %v before the read", read-got)
				}
			})
		})
	}
}

// The lock has not gone back, but was deleted in the term of who came later.
func TestSight_WaitsOutTheLongerLeaseThoughAnOldReadNamesAShorterOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		s := newSight(newFakeClock(1), time.Second, func() {})
		former := w.server.put(held("b", lease))
		s.watch(w.server.put(held("c", 2*lease)))
		w.server.remove()
		s.read(former, s.look().seq)
		s.read(w.server.put(Record{}), s.look().seq)
		if got := s.look().held; got != 2*lease {
			t.Errorf("waits for %v", got)
		}
	})
}

func TestRun_IsNotWedgedByARestoredPast(t *testing.T) {
	t.Parallel()
	for name, severed := range map[string]bool{"watches break": true, "watches go on": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("the candidate", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, w *world) {
					past := w.server.put(held("b", lease))
					for range 50 {
						w.server.put(held("b", lease))
					}
					a := w.node("a")
					c := a.campaign()
					w.at(5 * time.Second)
					w.server.restore(past)
					if severed {
						a.client.sever(errServer)
					}
					w.at(8 * time.Second)
					w.server.put(released())
					c.elected(2*lease + 2*retry)
				})
			})
			t.Run("the holder", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, w *world) {
					a := w.node("a")
					term := a.lead()
					past := w.server.look()
					w.at(time.Minute)
					w.server.restore(past)
					if severed {
						a.client.sever(errServer)
					}
					w.at(3 * time.Minute)
					if closed(term.Over()) || !term.Valid() {
						t.Errorf("lost: %v\n%s", term.Cause(), w.server.story())
					}
					if r := w.server.look().Record; !r.RenewTime.After(w.start.Add(2 * time.Minute)) {
						t.Errorf("renewed last at %v", r.RenewTime.Sub(w.start))
					}
				})
			})
			t.Run("the holder, whose lease was another's", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, w *world) {
					past := w.server.put(held("b", lease))
					a := w.node("a")
					term := a.campaign().elected(2 * lease)
					w.after(5 * time.Second)
					w.server.restore(past)
					if severed {
						a.client.sever(errServer)
					}
					w.after(retry + blink)
					if !closed(term.Expired()) || !errors.Is(term.Cause(), ErrTaken) {
						t.Fatalf("still leads: %v", term.Cause())
					}
					term.Abandon()
					again := a.campaign().elected(2*lease + 2*retry)
					w.after(time.Minute)
					if !again.Valid() {
						t.Errorf("lost: %v", again.Cause())
					}
				})
			})
		})
	}
}
