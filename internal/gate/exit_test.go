package gate

import (
	"testing"
	"time"
)

// The command ends by itself.

func TestGate_EmptiesAndReleasesOnceAllIsDeadWhenTheCommandEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.sweeping = 3 * time.Second })
		w.at(5 * time.Second)
		a.exit(3)
		w.after(deadline)
		w.wantStory("a", "acquired", "started", "published", "exited 3",
			"sweeping", "swept", "publishing ended", "emptied", "released")
		w.wantAt("a", "sweeping", 5*time.Second)
		w.wantAt("a", "swept", 8*time.Second)
		w.wantAt("a", "released", 8*time.Second+travel)
		a.wantEnd(3)
	})
}

func TestGate_ReturnsEachStatusThatTheCommandEndsWith(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 1, 75, 126, 127, 143, 255} {
		inBubble(t, func(w *world) {
			a := w.leader("a")
			a.exit(status)
			w.after(blink)
			a.wantEnd(status)
		})
	}
}

func TestGate_LeavesTheTrafficToTheHeirWhenTheCommandEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a")
		w.heir("b")
		exit := w.story.now()
		a.exit(3)
		w.after(blink)
		w.wantStory("a", "acquired", "started", "published", "exited 3",
			"sweeping", "swept", "publishing ended", "released")
		w.wantOrder("a swept", "a released", "b acquired", "b started", "b published")
		w.wantBefore("b", "started", exit+10*travel)
		a.wantEnd(3)
	})
}

func TestGate_ReleasesHalfASecondLaterWhenEmptyingHangs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.publisher.emptyHangs = true })
		w.at(5 * time.Second)
		a.exit(0)
		w.after(time.Second)
		w.wantStory("a", "acquired", "started", "published", "exited 0",
			"sweeping", "swept", "publishing ended", "released")
		w.wantAt("a", "released", 5*time.Second+500*time.Millisecond+travel)
		a.wantEnd(0)
	})
}

func TestGate_ReleasesOnlyWhenPublishingHasEnded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.publisher.lingers = 300 * time.Millisecond })
		w.heir("b")
		exit := w.story.now()
		a.exit(0)
		w.after(time.Second)
		w.wantOrder("a swept", "a publishing ended", "a released", "b started")
		w.wantAt("a", "publishing ended", exit+300*time.Millisecond)
		a.wantEnd(0)
	})
}

func TestGate_WorksWithoutAService(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.config.Publisher = nil })
		a.readiness.become(false)
		a.readiness.become(true)
		a.exit(0)
		w.after(blink)
		w.wantStory("a", "acquired", "started", "exited 0", "sweeping", "swept", "released")
		a.wantEnd(0)
	})
}

// Nothing is renewed once the command has ended, so that the lease runs out
// even if the gate gets no further.
func TestGate_StopsRenewingWhenTheCommandHasEnded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.sweeping = 9 * time.Second })
		w.at(4 * retry)
		end := w.story.now()
		a.exit(0)
		w.after(9*time.Second + blink)
		for _, at := range w.story.times("a", "renewed") {
			if at > end {
				t.Errorf("renewed at %v, the command had ended at %v", at, end)
			}
		}
		a.wantEnd(0)
	})
}

// The command is dead, so nobody is harmed if the lease is left to run out.
func TestGate_ReturnsTheStatusWhenTheReleaseFails(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a")
		w.heir("b")
		a.link.cut()
		a.exit(3)
		w.after(deadline + time.Second)
		w.wantNever("a", "released")
		a.wantEnd(3)
		w.after(lease)
		w.wantOrder("a swept", "b acquired", "b started")
	})
}

func TestGate_TellsObserverAndAnnouncerOfStartAndEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a")
		a.exit(3)
		w.after(blink)
		w.wantOrder("a acquired", "a started", "a observed start of 1000", "a announced LeaderElected",
			"a swept", "a observed end 3", "a announced LeaderStopped", "a released")
	})
}
