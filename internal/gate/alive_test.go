package gate

import (
	"syscall"
	"testing"
	"time"
)

// ends are the ways in which a command comes to its end.
var ends = map[string]func(*world, *pod){
	"it ended by itself": func(_ *world, a *pod) { a.exit(0) },
	"it was stopped": func(w *world, a *pod) {
		a.signals <- syscall.SIGTERM
		w.after(time.Millisecond)
		a.exit(graceful)
	},
	"it did not stop": func(_ *world, a *pod) { a.signals <- syscall.SIGTERM },
	"the deadline passed": func(_ *world, a *pod) {
		a.link.cut()
	},
	"the lease is somebody else's": func(w *world, _ *pod) { w.store.seize("stranger") },
}

// What cannot be proven dead dies with the gate, as PID 1, so that must end
// before anybody else may start.
func TestGate_EndsBeforeItsLeaseWithoutReleasingWhenSomethingCannotBeKilled(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		for name, happens := range ends {
			if hangs {
				name += " and publishing hangs"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(w *world) {
					a := w.leader("a", func(p *pod) {
						p.command.deaf, p.command.undead = true, true
						p.config.StopTimeout = time.Second
						p.config.StandByWhenLost = true
						p.publisher.stuck = hangs
					})
					w.heir("b")
					w.after(3 * retry)
					happens(w, a)
					w.after(2 * lease)
					w.wantOrder("a sweeping", "a not swept")
					a.wantEnd(0, ErrAlive, errUndead)
					t0 := a.link.t0()
					if a.endedAt >= t0+lease {
						t.Errorf("Run returned at %v, the lease ended at %v\n%s", a.endedAt, t0+lease, w.story)
					}
					w.wantNever("a", "released")
					if n := len(w.story.times("a", "acquired")); n != 1 {
						t.Errorf("stood by again: acquired %d times\n%s", n, w.story)
					}
					for _, at := range w.story.times("b", "started") {
						if at < a.endedAt {
							t.Errorf("b started at %v, a ended at %v\n%s", at, a.endedAt, w.story)
						}
					}
				})
			})
		}
	}
}

// Until then death may still be proven.
func TestGate_GoesOnKillingUntilTheLeaseIsNearlyOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a", func(p *pod) { p.command.undead = true })
		w.after(3 * retry)
		a.exit(0)
		w.after(2 * lease)
		w.wantAt("a", "not swept", a.link.t0()+lease-margin+margin/4)
		a.wantEnd(0, ErrAlive)
	})
}
