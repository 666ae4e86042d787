package gate

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// The lease is lost while the command runs.

// cutOff cuts a leader off and returns its T0.
func (p *pod) cutOff() time.Duration {
	p.w.t.Helper()
	p.w.after(3 * retry) // so that T0 is that of a renewal
	p.link.cut()
	return p.link.t0()
}

func TestGate_StopsThenKillsWhenTheRenewDeadlineHasPassed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ configured, received syscall.Signal }{
		{0, syscall.SIGTERM},
		{syscall.SIGQUIT, syscall.SIGQUIT},
	} {
		inBubble(t, func(w *world) {
			a := w.leader("a", func(p *pod) {
				p.config.StopSignal = row.configured
				p.command.deaf, p.command.sweeping = true, 200*time.Millisecond
			})
			t0 := a.cutOff()
			stop := fmt.Sprintf("signalled %d", int(row.received))
			w.at(t0 + deadline - time.Millisecond)
			w.wantStory("a", "acquired", "started", "published")
			w.at(t0 + lease)
			w.wantStory("a", "acquired", "started", "published",
				stop, "publishing ended", "emptied", "sweeping", "exited 137", "swept")
			w.wantAt("a", stop, t0+deadline)
			w.wantAt("a", "emptied", t0+deadline)
			w.wantAt("a", "sweeping", t0+lease-margin)
			w.wantBefore("a", "swept", t0+lease)
			w.at(t0 + 2*lease)
			w.wantNever("a", "released")
			a.wantEnd(killed, ErrLost, elector.ErrRenewDeadline)
		})
	}
}

func TestGate_IsDeadBeforeAnotherStartsWhenItIsCutOff(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf = true })
		w.heir("b")
		t0 := a.cutOff()
		w.at(t0 + lease - time.Nanosecond)
		w.wantStory("b")
		w.wantBefore("a", "swept", t0+lease)
		w.at(t0 + lease + time.Second)
		w.wantOrder("a swept", "b acquired", "b started")
		if took := w.when("b", "started") - t0; took > lease+blink {
			t.Errorf("b started %v after T0", took)
		}
	})
}

func TestGate_ReleasesAfterALossWhenTheRecordIsStillItsOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf = true })
		t0 := a.cutOff()
		w.at(t0 + 12*time.Second)
		a.link.heal()
		w.at(t0 + lease)
		w.wantStory("a", "acquired", "started", "published", "signalled 15", "publishing ended", "emptied",
			"sweeping", "exited 137", "swept", "released")
		a.wantEnd(killed, ErrLost, elector.ErrRenewDeadline)
	})
}

func TestGate_KillsWhatIsLeftAtOnceWhenTheCommandObeysAfterALoss(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.stopping = time.Second })
		t0 := a.cutOff()
		w.at(t0 + deadline)
		a.link.heal()
		w.at(t0 + 12*time.Second)
		w.wantStory("a", "acquired", "started", "published", "signalled 15", "publishing ended", "emptied",
			"exited 7", "sweeping", "swept", "released")
		w.wantAt("a", "sweeping", t0+deadline+time.Second)
		a.wantEnd(graceful, ErrLost)
	})
}

func TestGate_KillsAfterTheStopTimeoutWhenThatIsBeforeTheKillAfterALoss(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf, p.config.StopTimeout = true, time.Second })
		t0 := a.cutOff()
		w.at(t0 + 3*lease)
		w.wantAt("a", "sweeping", t0+deadline+time.Second)
		a.wantEnd(killed, ErrLost)
	})
}

func TestGate_KillsInTimeWhenTheWayToTheClientsHangs(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]publisher{
		"publishing does not end":       {stuck: true},
		"emptying is not answered":      {emptyHangs: true},
		"emptying does not end":         {emptyStuck: true},
		"neither ends":                  {stuck: true, emptyStuck: true},
		"publishing takes a while":      {lingers: 4 * time.Second},
		"publishing takes a whole term": {lingers: lease},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(w *world) {
				a := w.leader("a", func(p *pod) {
					b.p = p
					p.publisher = b
					p.command.deaf, p.command.sweeping = true, 200*time.Millisecond
				})
				t0 := a.cutOff()
				w.at(t0 + lease)
				w.wantAt("a", "signalled 15", t0+deadline)
				w.wantAt("a", "sweeping", t0+lease-margin)
				w.wantAt("a", "swept", t0+lease-margin+200*time.Millisecond)
				if b.stuck {
					return // Publish breaks its contract: only the command's death is asked for
				}
				w.at(t0 + 4*lease)
				a.wantEnd(killed, ErrLost)
			})
		})
	}
}

func TestGate_StandsByAndLeadsAgainAfterALossWhenToldSo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf, p.config.StandByWhenLost = true, true })
		first := w.store.lastAcquired()
		t0 := a.cutOff()
		w.at(t0 + 12*time.Second)
		a.link.heal()
		w.at(t0 + 3*lease)
		a.wantRunning()
		w.wantStory("a", "acquired", "started", "published", "signalled 15", "publishing ended", "emptied",
			"sweeping", "exited 137", "swept", "released",
			"acquired", "started", "published")
		if second := w.store.lastAcquired(); second <= first {
			t.Errorf("token %d after %d", second, first)
		}
		a.exit(3)
		w.after(blink)
		a.wantEnd(3)
	})
}

func TestGate_StandsByBehindItsSuccessorAfterALossWhenToldSo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf, p.config.StandByWhenLost = true, true })
		b := w.heir("b")
		t0 := a.cutOff()
		w.at(t0 + 3*lease)
		a.link.heal()
		w.after(lease)
		a.wantRunning()
		w.wantOrder("a swept", "b started")
		b.exit(0)
		w.after(blink)
		if got := w.story.times("a", "started"); len(got) != 2 {
			t.Errorf("a started %d times\n%s", len(got), w.story)
		}
	})
}

func TestGate_KillsAtOnceAndReleasesNothingWhenTheRecordIsSomebodyElses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf, p.command.sweeping = true, 200*time.Millisecond })
		w.at(5 * time.Second)
		w.store.seize("stranger")
		w.after(lease - blink)
		w.wantAt("a", "sweeping", 5*time.Second+travel)
		w.wantAt("a", "publishing ended", 5*time.Second+travel) // not put right once more
		w.wantNever("a", "released")
		a.wantEnd(killed, ErrLost, elector.ErrTaken)
		if holder := w.store.look().Record.HolderIdentity; holder != "stranger" {
			t.Errorf("the holder is %q", holder)
		}
	})
}

func TestGate_StandsByBehindSomebodyElsesRecordWhenToldSo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.config.StandByWhenLost = true })
		w.at(5 * time.Second)
		w.store.seize("stranger")
		w.after(lease - blink)
		a.wantRunning()
		w.after(lease)
		if n := len(w.story.times("a", "started")); n != 2 {
			t.Errorf("started %d times, want 2\n%s", n, w.story)
		}
	})
}

// A machine that was suspended wakes up past both deadlines at once.
func TestGate_KillsAtOnceWhenItWakesUpPastTheKill(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf = true })
		w.at(5 * time.Second)
		a.boot.Jump(lease)
		w.after(blink)
		w.wantAt("a", "sweeping", 5*time.Second)
		a.wantEnd(killed, ErrLost, elector.ErrRenewDeadline)
	})
}

// It has stood still, and its guard has killed the command: the lease may be
// another's, whose address is not to be put right.
func TestGate_PublishesNothingMoreWhenItGoesOnAndItsCommandIsDead(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*pod){
		"of itself":           func(*pod) {},
		"when it was to stop": func(a *pod) { a.signals <- syscall.SIGTERM },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repeat(t, func(w *world) {
				a := w.leader("a", func(p *pod) { p.command.deaf, p.command.sweeping = true, margin/8 })
				w.at(5 * time.Second)
				before(a)
				w.after(time.Second)
				a.boot.Jump(lease)
				a.exit(killed)
				w.after(2 * lease)
				w.wantBefore("a", "publishing ended", 6*time.Second+blink)
				w.wantOrder("a publishing ended", "a swept")
			})
		})
	}
}

// The end of the term and the moment of the kill come while the gate passes a
// signal on: it finds both when it looks again.
func TestGate_TakesAnExpiryThatItSeesFirstForALoss(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		happens func(*world, *pod)
		cause   error
	}{
		"somebody else's record": {func(w *world, _ *pod) { w.store.seize("stranger") }, elector.ErrTaken},
		"a suspend":              {func(_ *world, a *pod) { a.boot.Jump(lease) }, elector.ErrRenewDeadline},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repeat(t, func(w *world) {
				a := w.leader("a", func(p *pod) { p.command.deaf, p.command.taking = true, blink })
				w.at(5 * time.Second)
				a.signals <- syscall.SIGUSR1
				w.after(blink / 2)
				row.happens(w, a)
				w.after(time.Second)
				a.wantEnd(killed, ErrLost, row.cause)
			})
		})
	}
}

// What a gate would put right now is its successor's.
func TestGate_StopsPublishingBeforeTheKillWhenItSeesAnExpiryFirst(t *testing.T) {
	t.Parallel()
	repeat(t, func(w *world) {
		a := w.leader("a", func(p *pod) {
			p.command.deaf, p.command.taking, p.command.sweeping = true, blink, 300*time.Millisecond
		})
		w.at(5 * time.Second)
		a.signals <- syscall.SIGUSR1
		w.after(blink / 2)
		w.store.seize("stranger")
		w.after(2 * time.Second)
		if end, swept := w.when("a", "publishing ended"), w.when("a", "swept"); end >= swept {
			w.t.Errorf("published until %v, somebody else had led since 5 s\n%s", end, w.story)
		}
	})
}

// Who asks for the end means the gate, whatever has become of the lease.
func TestGate_DoesNotStandByAgainWhenStoppedDuringALoss(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*pod){
		"TERM":    func(p *pod) { p.signals <- syscall.SIGTERM },
		"INT":     func(p *pod) { p.signals <- syscall.SIGINT },
		"context": func(p *pod) { p.cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(w *world) {
				a := w.leader("a", func(p *pod) { p.command.deaf, p.config.StandByWhenLost = true, true })
				t0 := a.cutOff()
				w.at(t0 + deadline + time.Second)
				stop(a)
				a.link.heal()
				w.at(t0 + 3*lease)
				if n := len(w.story.times("a", "started")); n != 1 {
					t.Errorf("started %d times\n%s", n, w.story)
				}
				if !a.isOver() {
					t.Errorf("goes on after a stop signal\n%s", w.story)
				}
			})
		})
	}
}

// To many servers a second TERM means «at once», without saving what they have.
func TestGate_DoesNotAskTwiceWhenTheLeaseIsLostDuringAStop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.deaf = true })
		t0 := a.cutOff()
		w.at(t0 + deadline - time.Second)
		a.signals <- syscall.SIGTERM
		w.at(t0 + 3*lease)
		if n := len(w.story.times("a", "signalled 15")); n != 1 {
			t.Errorf("asked to stop %d times\n%s", n, w.story)
		}
		if at := w.when("a", "exited 137"); at > t0+lease-elector.KillMargin(lease) {
			t.Errorf("killed at %v\n%s", at, w.story)
		}
	})
}

// As when the gate was stopped and its guard has killed the command: the gate goes
// on, and finds everything past at once.
func TestGate_TakesATermForLostThatPassedWhileItStoodStill(t *testing.T) {
	t.Parallel()
	repeat(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.taking = 2 * lease })
		w.heir("b")
		t0 := a.cutOff()
		a.signals <- syscall.SIGUSR1 // whose delivery keeps the gate
		w.at(t0 + lease - margin)
		a.exit(killed)
		w.at(t0 + lease + time.Second)
		a.link.heal()
		w.at(t0 + 4*lease)
		w.wantOrder("a exited 137", "b acquired", "b started", "a swept")
		w.wantNever("a", "released")
		w.wantNever("b", "exited 137")
		a.wantEnd(killed, ErrLost)
	})
}
