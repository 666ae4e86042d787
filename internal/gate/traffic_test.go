package gate

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// Clients are led to the command while it is ready.

func TestGate_PublishesWhileTheCommandIsReady(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.readiness.unready = true })
		w.after(time.Minute)
		w.wantStory("a", "acquired", "started")
		a.readiness.become(true)
		w.wantStory("a", "acquired", "started", "published")
		w.after(time.Minute)
		a.readiness.become(false)
		w.wantStory("a", "acquired", "started", "published", "publishing ended", "emptied")
		w.after(time.Minute)
		a.readiness.become(true)
		a.exit(0)
		w.after(blink)
		w.wantStory("a", "acquired", "started", "published", "publishing ended", "emptied", "published",
			"exited 0", "sweeping", "swept", "publishing ended", "emptied", "released")
	})
}

func TestGate_PreparesToPublishWhileTheCommandBecomesReady(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.readiness.unready = true })
		w.wantOrder("a started", "a prepared")
		a.readiness.become(true)
		a.readiness.become(false)
		a.readiness.become(true)
		w.wantOrder("a started", "a prepared")
	})
}

func TestGate_PublishesNothingWhenTheCommandIsNeverReady(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.readiness.unready = true })
		a.exit(1)
		w.after(blink)
		w.wantNever("a", "published")
		a.wantEnd(1)
	})
}

func TestGate_PublishesNothingWhenTheCommandBecomesReadyAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(*world, *pod){
		"ended":   func(_ *world, a *pod) { a.exit(0) },
		"stopped": func(_ *world, a *pod) { a.signals <- syscall.SIGTERM },
		"lost":    func(_ *world, a *pod) { a.link.cut() },
		"taken":   func(w *world, _ *pod) { w.store.seize("stranger") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(w *world) {
				a := w.leader("a", func(p *pod) { p.readiness.unready, p.readiness.parting = true, true })
				happens(w, a)
				w.after(3 * lease)
				w.wantNever("a", "published")
				if !a.isOver() {
					t.Error("the gate goes on")
				}
			})
		})
	}
}

// Draining is the command's own: while it stops it is still the one address.
func TestGate_GoesOnPublishingWhileTheCommandStops(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.stopping = time.Minute })
		a.signals <- syscall.SIGTERM
		w.after(30 * time.Second)
		w.wantStory("a", "acquired", "started", "published", "signalled 15")
		a.readiness.become(false) // as a server that drains may say
		w.after(time.Minute)
		w.wantStory("a", "acquired", "started", "published", "signalled 15", "publishing ended", "emptied",
			"exited 7", "sweeping", "swept", "emptied", "released")
	})
}

// A label of the Pod stays until this gate takes it off, whoever follows.

func TestGate_EmptiesBeforeItReleasesToAnHeirWhereASuccessorReplacesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.publisher.own = true })
		w.heir("b")
		a.signals <- syscall.SIGTERM
		w.after(blink)
		w.wantStory("a", "acquired", "started", "published", "signalled 15", "exited 7",
			"sweeping", "swept", "publishing ended", "emptied", "released")
		w.wantOrder("a emptied", "a released", "b acquired", "b published")
		a.wantEnd(graceful)
	})
}

func TestGate_EmptiesAfterSomebodyTookTheLockWhereASuccessorReplacesNothing(t *testing.T) {
	t.Parallel()
	for name, standsBy := range map[string]bool{"and ends": false, "and stands by": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repeat(t, func(w *world) {
				a := w.leader("a", func(p *pod) { p.publisher.own, p.config.StandByWhenLost = true, standsBy })
				w.at(5 * time.Second)
				w.store.seize("stranger")
				w.after(lease - blink)
				w.wantAt("a", "emptied", 5*time.Second+travel)
				if a.isOver() == standsBy {
					w.t.Errorf("over: %v\n%s", a.isOver(), w.story)
				}
			})
		})
	}
}

func TestGate_EmptiesBeforeItReleasesAfterALossWhereASuccessorReplacesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) {
			p.publisher.own, p.command.stopping = true, time.Second
			p.publisher.lingers = 2 * time.Second // the first emptying waits for that too
		})
		t0 := a.cutOff()
		w.at(t0 + deadline)
		a.link.heal()
		w.at(t0 + lease)
		story := w.story.of("a")
		released := slices.Index(story, "released")
		if emptied := slices.Index(story, "emptied"); emptied < 0 || released < emptied {
			t.Errorf("not released, or before it was emptied\n%s", w.story)
		}
		a.wantEnd(graceful, ErrLost)
	})
}

func TestGate_ReleasesToAnHeirInTimeWhereEmptyingHangs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.publisher.own, p.publisher.emptyHangs = true, true })
		w.heir("b")
		stop := w.story.now()
		a.signals <- syscall.SIGTERM
		w.after(time.Second)
		w.wantOrder("a swept", "a released", "b acquired")
		w.wantBefore("a", "released", stop+emptyTimeout+blink)
		a.wantEnd(graceful)
	})
}

func TestGate_GoesOnWhenEmptyingHangsForAnUnreadyCommand(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.publisher.emptyHangs = true })
		a.readiness.become(false)
		w.after(time.Second)
		a.readiness.become(true)
		w.wantStory("a", "acquired", "started", "published", "publishing ended", "published")
		a.exit(0)
		w.after(time.Second)
		a.wantEnd(0)
	})
}
