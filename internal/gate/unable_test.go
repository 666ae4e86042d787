package gate

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

// The work of the leader cannot be done here.

var (
	errFull   = errors.New("no space left on device")
	errUnable = fmt.Errorf("%w: %w", ErrUnable, errFull)
)

// unable is a gate that stands by again, but for the change.
func unable(p *pod) {
	p.command.fails = errUnable
	p.config.StandByWhenLost = true
}

// henceforth changes how the commands that are started from now on behave.
func (p *pod) henceforth(change func(*command)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.command)
}

func TestGate_EndsWhenItCannotLeadUnlessItIsToStandByAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", unable, func(p *pod) { p.config.StandByWhenLost = false })
		w.after(blink)
		w.wantStory("a", "acquired", "released")
		a.wantEnd(0, ErrUnable, errFull)
	})
}

func TestGate_LetsAnotherLeadWhenItCannot(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		b := w.leader("b")
		a := w.heir("a", unable)
		w.pod("c")
		w.after(settled)
		b.exit(0)
		w.after(retry / 2)
		w.when("c", "started")
		w.wantStory("a", "acquired", "released")
		a.wantRunning()
	})
}

// Nobody else is there.
func TestGate_RestsLongerAndLongerWhenItCannotLead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", unable)
		w.at(4 * lease)
		// rests are the times from a release to the next election.
		rests := func() (found []time.Duration) {
			released, acquired := w.story.times("a", "released"), w.story.times("a", "acquired")
			for i, at := range acquired[1:] {
				found = append(found, (at - released[i]).Truncate(blink))
			}
			return found
		}
		if got, want := rests(), []time.Duration{retry, 2 * retry, 4 * retry, lease, lease, lease}; !slices.Equal(got, want) {
			t.Errorf("between its elections it rests for %v, want %v\n%s", got, want, w.story)
		}
		a.henceforth(func(c *command) { c.fails = nil })
		w.after(lease)
		a.wantRunning()
		w.when("a", "started")

		// It has led, and rests no longer than the first time.
		before := len(rests())
		t0 := a.cutOff()
		w.at(t0 + lease)
		a.henceforth(func(c *command) { c.fails = errUnable })
		a.link.heal()
		w.after(lease)
		if got := rests()[before:]; len(got) == 0 || got[0] != retry {
			t.Errorf("after a term it rests for %v\n%s", got, w.story)
		}
	})
}

func TestGate_LeavesAtOnceWhenStoppedWhileItRests(t *testing.T) {
	t.Parallel()
	for sig, status := range map[syscall.Signal]int{syscall.SIGTERM: 0, syscall.SIGINT: 0, syscall.SIGHUP: 129} {
		inBubble(t, func(w *world) {
			a := w.pod("a", unable)
			w.after(blink)
			a.signals <- sig
			w.after(blink)
			a.wantEnd(status)
			w.wantStory("a", "acquired", "released")
		})
	}
}

// It has taken a while to find out.
func TestGate_GivesTheLeaseUpWhenWhatItStartedCannotBeDone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", func(p *pod) {
			p.command.unable = errUnable
			p.config.StandByWhenLost = true
		})
		w.at(blink)
		w.wantOrder("a exited 1", "a swept", "a emptied", "a released")
		a.henceforth(func(c *command) { c.unable = nil })
		w.after(retry)
		a.wantRunning()
		if n := len(w.story.times("a", "started")); n != 2 {
			t.Errorf("started %d times\n%s", n, w.story)
		}
	})
}

func TestGate_EndsWhenWhatItStartedCannotBeDoneAndItWasAskedToStop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", func(p *pod) {
			p.command.unable, p.command.stopping = errUnable, blink
			p.config.StandByWhenLost = true
		})
		w.at(blink / 4)
		a.signals <- syscall.SIGTERM
		w.at(blink)
		a.wantEnd(1)
		w.wantOrder("a swept", "a released")
	})
}
