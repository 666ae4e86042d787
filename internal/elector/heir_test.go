package elector

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestHeir_IsClaimedOnceWithJitterUnderAGatesRecord(t *testing.T) {
	t.Parallel()
	for jitter, want := range map[float64]time.Duration{0: retry / 10, 0.5: retry/10 + retry/2, 0.9: retry/10 + retry*9/10} {
		t.Run(fmt.Sprint(jitter), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				term := a.lead()
				if term.HasHeir() {
					t.Error("an heir before anybody claims")
				}
				b := w.node("b", func(c *Config) { c.Jitter = func() float64 { return jitter } })
				joined := w.now()
				b.campaign()
				w.at(heirTerm - time.Second)
				claim := only(t, w, w.server.of("b", "claim"))
				// A renewal that passes meanwhile may start the wait anew.
				wantBetween(t, "claim", claim.sent, joined+want, joined+want+2*retry)
				if claim.sent-joined > want+blink && jitter == 0 {
					t.Errorf("claimed after %v", claim.sent-joined)
				}
				if !term.HasHeir() || !term.Valid() {
					t.Errorf("heir %v, valid %v", term.HasHeir(), term.Valid())
				}
				if got := a.sight.look().heir(); got != "b" {
					t.Errorf("the heir is %q", got)
				}
			})
		})
	}
}

// An heir that died unseen would be waited for at each hand-over.
func TestHeir_ThatIsGoneLosesItsPlaceToOneThatLives(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.node("a").lead()
		w.server.edit(func(o *object) {
			o.record.Heir = mark{Holder: "a", Transitions: o.record.LeaseTransitions, Heir: "gone"}.String()
		})
		b := w.node("b")
		b.campaign()
		w.at(heirTerm - time.Second)
		if heir := b.sight.look().heir(); heir != "gone" {
			t.Errorf("the heir is %q before its term has ended", heir)
		}
		w.at(heirTerm + 3*retry)
		if heir := b.sight.look().heir(); heir != "b" {
			t.Errorf("the heir is %q, not the one that lives", heir)
		}
	})
}

func TestHeir_ClaimChangesNothingOfTheRecord(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.edit(func(o *object) {
			o.record, o.labels, o.unknown = heldBy(process("a/0"), "a", 40*time.Second), "label", "field"
		})
		before := w.server.look()
		c := w.node("b").campaign()
		w.at(5 * time.Second)
		after := w.server.look()
		only(t, w, w.server.of("b", "claim"))
		if after.Spec != before.Spec || after.Origin.(object).labels != "label" || after.Record.Instance != before.Record.Instance {
			t.Errorf("before %+v, after %+v", before, after)
		}
		// The claim has not restarted the wait.
		c.elected(time.Minute)
		wantBetween(t, "acquire", firstOf(t, w, w.server.of("b", "acquire")).sent, 40*time.Second, 40*time.Second+15*time.Millisecond)
	})
}

func TestHeir_OneOfManyClaims(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		chance := newDice(1)
		for i := range 10 {
			w.node(fmt.Sprint("b", i), func(c *Config) { c.Jitter = chance.float }).campaign()
		}
		w.at(10 * time.Minute)
		if n := len(w.server.of("", "claim")); n > 3 {
			t.Errorf("%d claims", n)
		}
		if !term.HasHeir() {
			t.Error("no heir")
		}
	})
}

func TestHeir_ActsAtOnceAndTheOthersHoldBack(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end  func(*world, Record)
		from time.Duration // the lock is open
	}{
		"released": {func(w *world, r Record) {
			w.at(5 * time.Second)
			next := released()
			next.Heir = mark{Transitions: next.LeaseTransitions, Heir: "heir"}.String()
			w.server.put(next)
		}, 5 * time.Second},
		"expired": {func(*world, Record) {}, lease},
	} {
		for _, jitter := range []float64{0, 0.5, 0.99} {
			t.Run(fmt.Sprint(name, " ", jitter), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, w *world) {
					r := heldBy(process("a/0"), "a", lease)
					r.Heir = claimOf(r, "heir")
					w.server.put(r)
					fixed := func(c *Config) { c.Jitter = func() float64 { return jitter } }
					heir, other := w.node("heir", fixed), w.node("other", fixed)
					// The heir's own answers are slow, so that the other is tempted.
					heir.client.on(always(fault{Late: 300 * time.Millisecond}, "acquire"))
					c := heir.campaign()
					other.campaign()
					row.end(w, r)
					w.at(row.from + 200*time.Millisecond)
					wantBetween(t, "the heir's acquire", firstOf(t, w, heir.client.s.of("heir", "acquire")).sent, row.from, row.from+10*time.Millisecond)
					wantBetween(t, "the other's acquire", firstOf(t, w, other.client.s.of("other", "acquire")).sent,
						row.from+holdBack, row.from+2*holdBack+10*time.Millisecond)
					_ = c
				})
			})
		}
	}
}

// A process that claimed and died must not keep the others away.
func TestHeir_IsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		r := heldBy(process("a/0"), "a", lease)
		r.Heir = claimOf(r, "dead")
		w.server.put(r)
		c := w.node("b").campaign()
		w.at(5 * time.Second)
		next := released()
		next.Heir = mark{Transitions: next.LeaseTransitions, Heir: "dead"}.String()
		w.server.put(next)
		c.elected(200 * time.Millisecond)
		if got := w.server.look().Record.Heir; got != "" {
			t.Errorf("the new record names the heir %q", got)
		}
	})
}

func TestHeir_IsStillNamedByTheReleasedRecord(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.node("a"), w.node("b")
		term := a.lead()
		c := b.campaign()
		w.at(5 * time.Second)
		b.client.deaden() // so that the released record stays
		if err := term.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
		r := w.server.look().Record
		if got := markOf(r.Heir, r).Heir; got != "b" || r.HolderIdentity != "" {
			t.Errorf("the record is %+v", r)
		}
		b.client.sever(errServer)
		c.elected(2*retry + blink)
		if got := w.server.look().Record.Heir; got != "" {
			t.Errorf("after the acquire the heir is %q", got)
		}
	})
}

func TestHeir_ThatIsStoppedGivesItsPlaceUp(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		script    func(request) fault
		meanwhile func(*world, *node, *node)
	}{
		"undisturbed": {},
		"while the holder's renewal changes the record": {meanwhile: func(w *world, _, b *node) {
			b.client.lag(500 * time.Millisecond)
			w.server.edit(func(o *object) { o.labels = "x" })
		}},
		"while its claim is under way": {script: next("claim", fault{Slow: time.Second})},
		"the answer to its claim lost": {script: next("claim", fault{Lose: true})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				r := heldBy(process("a/0"), "a", time.Hour)
				w.server.put(r)
				b := w.node("b")
				if row.script != nil {
					b.client.on(row.script)
				}
				c := b.campaign()
				w.at(1210 * time.Millisecond)
				if len(w.server.of("b", "claim")) != 1 || w.server.look().Record.Heir == "" {
					t.Fatalf("no claim:\n%s", w.server.story())
				}
				if row.meanwhile != nil {
					row.meanwhile(w, nil, b)
				}
				c.stop(context.Canceled)
				<-c.done
				after := w.server.look().Record
				if got := markOf(after.Heir, after).Heir; got != "" {
					t.Errorf("the heir is still %q\n%s", got, w.server.story())
				}
				if after.HolderIdentity != "a" {
					t.Errorf("the record is %+v", after)
				}
			})
		})
	}
}

func TestHeir_LeavesAnothersClaimAloneWhenStopped(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		r := heldBy(process("a/0"), "a", time.Hour)
		r.Heir = claimOf(r, "c")
		w.server.put(r)
		c := w.node("b").campaign()
		w.at(5 * time.Second)
		c.stop(context.Canceled)
		<-c.done
		if n := len(w.server.of("b", "claim", "read", "acquire")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestHeir_GarbageInTheHintIsNoHeir(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{", "null", "[]", `"b"`, `{"holder":"x","transitions":3,"heir":"h"}`, `{"holder":"a","transitions":9,"heir":"h"}`, `{"heir":7}`, "\x00"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				r := heldBy(process("a/0"), "a", lease)
				r.Heir = text
				w.server.put(r)
				b := w.node("b")
				b.campaign()
				w.at(5 * time.Second)
				only(t, w, w.server.of("b", "claim"))
				if got := b.sight.look().heir(); got != "b" {
					t.Errorf("the heir is %q", got)
				}
			})
		})
	}
}

// A claim is made at leisure: it must never be what a struggling server sees.
func TestHeir_ClaimsThatFailAreRare(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fault fault
		most  int // in ten minutes
	}{
		"an error":     {fault{Refuse: errServer}, 10 * 30},
		"forbidden":    {fault{Refuse: ErrForbidden}, 10 * 30},
		"silence":      {fault{Drop: true}, 2 * 10 * 30},
		"told to wait": {fault{Refuse: &wrapped{"put", refusal{time.Minute}}}, 11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a, b := w.node("a"), w.node("b")
				a.lead()
				b.client.on(always(row.fault, "claim"))
				b.campaign()
				w.at(10 * time.Minute)
				if n := len(w.server.of("b", "claim")); n > row.most {
					t.Errorf("%d claims in ten minutes", n)
				}
			})
		})
	}
}

// With every candidate writing at once, 493 of 500 writes failed.
func TestHeir_SparesTheServerAStampede(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, *node, *Term) time.Duration{
		"at a release": func(w *world, _ *node, term *Term) time.Duration {
			if err := term.Release(context.Background()); err != nil {
				w.t.Fatal(err)
			}
			return 0
		},
		"at an expiry": func(w *world, a *node, term *Term) time.Duration {
			last := w.now() - (a.boot.Now() - term.renewed())
			term.Abandon()
			return last + lease - w.now()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				chance := newDice(7)
				spread := func(c *Config) { c.Jitter = chance.float }
				a := w.node("a", spread)
				term := a.lead()
				candidates := make([]*node, 500)
				for i := range candidates {
					candidates[i] = w.node(fmt.Sprint("b", i), spread)
					// Watch events arrive within a few milliseconds of each other.
					candidates[i].client.lag(chance.below(5 * time.Millisecond))
					candidates[i].campaign()
				}
				w.at(5 * time.Second)
				claims := len(w.server.of("", "claim"))
				if !term.HasHeir() {
					t.Fatal("no heir")
				}
				begun := w.now()
				begun += end(w, a, term)
				w.at(begun + time.Second)
				writes := w.server.of("", "acquire")[1:]
				t.Logf("%d claims; %d acquires at the end of the term", claims, len(writes))
				if claims > 25 || len(writes) > 5 {
					t.Errorf("%d claims, %d acquires", claims, len(writes))
				}
				if w.server.look().Record.HolderIdentity == "" {
					t.Error("nobody took it")
				}
			})
		})
	}
}
