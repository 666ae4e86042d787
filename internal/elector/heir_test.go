package elector

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestHeir_IsClaimedOnceWithJitterUnderAGatesRecord(t *testing.T) {
	t.Parallel()
	for jitter, want := range map[float64]time.Duration{0: retry / 10, 0.5: 1100 * time.Millisecond, 0.9: 1185 * time.Millisecond} {
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
		for _, jitter := range []float64{0.3, 0.5, 0.99} {
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

// atRelease and atExpiry end a term, and return how long from now on the lock is
// still closed.
func atRelease(w *world, _ *node, term *Term) time.Duration {
	if err := term.Release(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return 0
}

func atExpiry(w *world, a *node, term *Term) time.Duration {
	last := w.now() - (a.boot.Now() - term.renewed())
	term.Abandon()
	return last + lease - w.now()
}

// With every candidate writing at once, 493 of 500 writes failed.
func TestHeir_SparesTheServerAStampede(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end func(*world, *node, *Term) time.Duration
		// spread is within how long of each other the candidates get an event.
		spread time.Duration
		dead   bool // the heir
		// What is sent at most: claims at the reign's start, acquires at its end.
		claims, acquires int
	}{
		"at a release":               {atRelease, 5 * time.Millisecond, false, 3, 1},
		"at an expiry":               {atExpiry, 5 * time.Millisecond, false, 3, 1},
		"at a release, told slowly":  {atRelease, 300 * time.Millisecond, false, 12, 1},
		"at an expiry, told slowly":  {atExpiry, 300 * time.Millisecond, false, 12, 1},
		"at a release, no heir left": {atRelease, 50 * time.Millisecond, true, 6, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				chance := newDice(7)
				spread := func(c *Config) { c.Jitter = chance.float }
				a := w.node("a", spread)
				term := a.lead()
				candidates := make(map[string]*node)
				for i := range 500 {
					n := w.node(fmt.Sprint("b", i), spread)
					candidates[n.Identity] = n
					n.client.lag(chance.below(row.spread))
					n.campaign()
				}
				w.at(5 * time.Second)
				claims := len(w.server.of("", "claim"))
				heir := candidates[a.sight.look().heir()]
				if heir == nil {
					t.Fatal("no heir")
				}
				if row.dead {
					heir.client.on(always(fault{Drop: true}))
				} else {
					// Of all, it is told last.
					heir.client.lag(row.spread)
				}
				begun := w.now()
				begun += row.end(w, a, term)
				w.at(begun + retry + 2*holdBack + row.spread)
				lost := 0
				for _, r := range w.server.of("", "acquire")[1:] {
					if r.from != heir.Identity {
						lost++
					}
				}
				t.Logf("%d claims; %d acquires at the end of the term by others than the heir", claims, lost)
				if claims > row.claims {
					t.Errorf("%d claims", claims)
				}
				switch holder := w.server.look().Record.HolderIdentity; {
				case row.dead && (holder == "" || holder == heir.Identity || lost > row.acquires):
					t.Errorf("held by %q after %d acquires", holder, lost)
				case !row.dead && (holder != heir.Identity || lost > 0):
					t.Errorf("held by %q, the heir being %s, and %d others tried", holder, heir.Identity, lost)
				}
			})
		})
	}
}

func TestHeir_SaysHowManyItHasFound(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		term := a.lead()
		b := w.node("b", func(c *Config) { c.Jitter = func() float64 { return 0.004 } })
		b.campaign()
		w.at(lease)
		if r := w.server.look().Record; markOf(r.Heir, r).Crowd != 250 {
			t.Errorf("with a lot of 0.004 the claim is %q", r.Heir)
		}
		b.client.deaden() // so that the released record stays
		if err := term.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
		r := w.server.look().Record
		if got := markOf(r.Heir, r); r.HolderIdentity != "" || got.Heir != "b" || got.Crowd != 250 {
			t.Errorf("the released record is %+v", r)
		}
	})
}

// Its own lot was drawn among those who were there when it claimed.
func TestHeir_IsToldOfACrowdThatComesLater(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		chance := newDice(11)
		a, heir := w.node("a"), w.node("heir")
		term := a.lead()
		heir.campaign()
		w.at(2 * retry)
		const late = 300 * time.Millisecond
		for i := range 300 {
			n := w.node(fmt.Sprint("b", i), func(c *Config) { c.Jitter = chance.float })
			n.client.lag(chance.below(late))
			n.campaign()
		}
		w.at(3 * lease)
		heir.client.lag(late)
		r := w.server.look().Record
		named, claims := markOf(r.Heir, r), len(w.server.of("", "claim"))
		t.Logf("%+v after %d claims", named, claims)
		if named.Heir != "heir" || named.Crowd < 100 || claims > 10 {
			t.Errorf("%+v after %d claims", named, claims)
		}
		if n := heir.log.count("next in line") + 2*a.log.count("next in line"); n != 1 {
			t.Error("somebody else took itself for the heir")
		}
		if err := term.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.after(retry)
		if writes := w.server.of("", "acquire"); len(writes) != 2 || writes[1].from != "heir" {
			t.Errorf("%d acquires", len(writes)-1)
		}
	})
}

func TestHeir_IsLeftTheLockForLongerInACrowdButNotForLong(t *testing.T) {
	t.Parallel()
	const longest = retry + 2*holdBack // the last of a crowd
	for crowd, row := range map[int]struct{ from, to time.Duration }{
		-1 << 62: {holdBack, 2 * holdBack},
		0:        {holdBack, 2 * holdBack},
		3:        {holdBack, 3 * holdBack},
		50:       {2 * holdBack, 7 * holdBack},
		500:      {10 * holdBack, longest},
		1 << 62:  {10 * holdBack, longest},
	} {
		for _, jitter := range []float64{0, 0.5, 0.99} {
			t.Run(fmt.Sprint(crowd, " ", jitter), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, w *world) {
					r := heldBy(process("a/0"), "a", lease)
					w.server.put(r)
					w.node("b", func(c *Config) { c.Jitter = func() float64 { return jitter } }).campaign()
					w.at(100 * time.Millisecond)
					next := released()
					next.Heir = mark{Transitions: next.LeaseTransitions, Heir: "dead", Crowd: crowd}.String()
					w.server.put(next)
					from := w.now()
					w.at(from + longest + blink)
					wantBetween(t, "acquire", firstOf(t, w, w.server.of("b", "acquire")).sent, from+row.from, from+row.to+2*travel)
				})
			})
		}
	}
}

// Who drew again at each renewal would come first sooner or later, and all with it.
func TestCandidate_DrawsOncePerReign(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.node("a").lead()
		w.node("heir").campaign()
		w.at(2 * retry)
		draws := 0
		w.node("b", func(c *Config) { c.Jitter = func() float64 { draws++; return 0.5 } }).campaign()
		w.at(heirTerm / 2)
		if draws != 1 {
			t.Errorf("%d draws while one holder renews", draws)
		}
	})
}

func TestCandidate_ThatFindsAFirstTermOverTakesItsTurnAmongAll(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		first := released()
		first.LeaseTransitions = 0
		w.server.put(first)
		w.node("b", func(c *Config) { c.Jitter = func() float64 { return 0.9 } }).campaign()
		w.at(blink)
		wantBetween(t, "acquire", firstOf(t, w, w.server.of("b", "acquire")).sent, holdBack*9/50, holdBack*9/50+4*travel)
	})
}
