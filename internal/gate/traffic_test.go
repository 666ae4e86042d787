package gate

import (
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
