package gate

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// A stop signal comes while the gate leads.

func TestGate_PassesTheStopSignalOnAndReleasesOnceAllIsDead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		configured, sent, received syscall.Signal
	}{
		{0, syscall.SIGTERM, syscall.SIGTERM},
		{0, syscall.SIGINT, syscall.SIGINT},
		{syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGQUIT},
		{syscall.SIGQUIT, syscall.SIGINT, syscall.SIGQUIT},
		{syscall.SIGQUIT, syscall.SIGQUIT, syscall.SIGQUIT},
		{syscall.SIGUSR1, syscall.SIGUSR1, syscall.SIGUSR1},
		{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM},
	} {
		inBubble(t, func(w *world) {
			a := w.leader("a", func(p *pod) {
				p.config.StopSignal = row.configured
				p.command.stopping, p.command.sweeping = 3*time.Second, time.Second
			})
			a.signals <- row.sent
			w.after(5 * time.Second)
			w.wantStory("a", "acquired", "started", "published",
				fmt.Sprintf("signalled %d", int(row.received)), "exited 7",
				"sweeping", "swept", "publishing ended", "emptied", "released")
			a.wantEnd(graceful)
		})
	}
}

func TestGate_HandsOverToTheHeirOnAStopSignal(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.stopping = 3 * time.Second })
		w.heir("b")
		stop := w.story.now()
		a.signals <- syscall.SIGTERM
		w.after(4 * time.Second)
		w.wantStory("a", "acquired", "started", "published", "signalled 15", "exited 7",
			"sweeping", "swept", "publishing ended", "released")
		w.wantOrder("a signalled 15", "a swept", "a released", "b acquired", "b started", "b published")
		w.wantBefore("b", "started", stop+3*time.Second+10*travel)
		a.wantEnd(graceful)
	})
}

func TestGate_WaitsForHoursWhileRenewingWhenTheCommandTakesThemToStop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.stopping = 5 * time.Hour })
		w.heir("b")
		stop := w.story.now()
		a.signals <- syscall.SIGTERM
		w.after(4 * time.Hour)
		a.wantRunning()
		w.wantStory("a", "acquired", "started", "published", "signalled 15")
		w.wantStory("b")
		if age := w.story.now() - a.link.t0(); age > retry+blink {
			t.Errorf("last renewed %v ago", age)
		}
		w.after(time.Hour + blink)
		w.wantAt("a", "exited 7", stop+5*time.Hour)
		w.wantOrder("a exited 7", "a swept", "a released", "b started")
		a.wantEnd(graceful)
	})
}

func TestGate_KillsAfterTheStopTimeout(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		const timeout = 40 * time.Second
		a := w.leader("a", func(p *pod) {
			p.command.deaf = true
			p.config.StopTimeout = timeout
		})
		stop := w.story.now()
		a.signals <- syscall.SIGTERM
		w.after(timeout / 2)
		a.signals <- syscall.SIGTERM // which does not begin the timeout anew
		w.after(timeout)
		w.wantStory("a", "acquired", "started", "published", "signalled 15", "signalled 15",
			"sweeping", "exited 137", "swept", "publishing ended", "emptied", "released")
		w.wantAt("a", "sweeping", stop+timeout)
		a.wantEnd(killed)
	})
}

func TestGate_PassesEveryFurtherStopSignalOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.stopping = time.Minute })
		a.signals <- syscall.SIGTERM
		w.after(time.Second)
		a.signals <- syscall.SIGINT
		w.after(time.Second)
		a.signals <- syscall.SIGTERM
		w.after(time.Minute)
		w.wantOrder("a signalled 15", "a signalled 2", "a signalled 15", "a exited 7", "a released")
		a.wantEnd(graceful)
	})
}

func TestGate_PassesOtherSignalsToTheCommandAndGoesOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.config.StopTimeout = time.Second })
		w.heir("b")
		want := []string{"acquired", "started", "published"}
		for _, sig := range []syscall.Signal{
			syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGABRT,
		} {
			a.signals <- sig
			want = append(want, fmt.Sprintf("signalled %d", int(sig)))
			w.after(blink)
		}
		w.after(2 * lease)
		w.wantStory("a", want...)
		w.wantStory("b")
		a.wantRunning()
	})
}

func TestGate_TakesTheEndOfItsContextForAStopSignal(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ configured, received syscall.Signal }{
		{0, syscall.SIGTERM},
		{syscall.SIGQUIT, syscall.SIGQUIT},
	} {
		inBubble(t, func(w *world) {
			a := w.leader("a", func(p *pod) {
				p.config.StopSignal = row.configured
				p.command.stopping = 3 * time.Second
			})
			a.cancel()
			w.after(4 * time.Second)
			w.wantStory("a", "acquired", "started", "published",
				fmt.Sprintf("signalled %d", int(row.received)), "exited 7",
				"sweeping", "swept", "publishing ended", "emptied", "released")
			a.wantEnd(graceful)
		})
	}
}

func TestGate_KillsACommandThatTheEndOfItsContextDoesNotStop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) {
			p.command.deaf = true
			p.config.StopTimeout = 5 * time.Second
		})
		stop := w.story.now()
		a.cancel()
		w.after(6 * time.Second)
		w.wantAt("a", "sweeping", stop+5*time.Second)
		a.wantEnd(killed)
	})
}

// A slow stop has no longer than the lease.
func TestGate_KillsACommandThatIsStillStoppingWhenTheLeaseRunsOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) {
			p.command.deaf = true
			p.config.StandByWhenLost = true // it was asked to stop: it does not
		})
		w.heir("b")
		a.signals <- syscall.SIGTERM
		w.after(time.Second)
		a.link.cut()
		t0 := a.link.t0()
		w.at(t0 + 3*lease)
		w.wantAt("a", "sweeping", t0+lease-margin)
		w.wantBefore("a", "swept", t0+lease)
		w.wantOrder("a swept", "b acquired", "b started")
		if !a.isOver() {
			t.Errorf("stands by again after a stop signal\n%s", w.story)
		}
	})
}
