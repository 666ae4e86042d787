package gate

import (
	"syscall"
	"testing"
	"time"
)

// There is no command, or not yet.

func TestGate_LeavesNothingBehindWhenStoppedWhileStandingBy(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ configured, sent syscall.Signal }{
		{0, syscall.SIGTERM},
		{0, syscall.SIGINT},
		{syscall.SIGQUIT, syscall.SIGQUIT},
		{syscall.SIGWINCH, syscall.SIGWINCH},
		{syscall.SIGQUIT, syscall.SIGTERM},
	} {
		inBubble(t, func(w *world) {
			a := w.leader("a")
			b := w.heir("b", func(p *pod) { p.config.StopSignal = row.configured })
			b.signals <- row.sent
			w.after(blink)
			b.wantEnd(0)
			w.wantStory("b")
			if heir := w.store.look().Record.Heir; heir != "" {
				t.Errorf("after %v the record still names an heir: %s", row.sent, heir)
			}
			a.wantRunning()
		})
	}
}

func TestGate_EndsWithStatus0WhenItsContextEndsWhileStandingBy(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		w.leader("a")
		b := w.heir("b")
		b.cancel()
		w.after(blink)
		b.wantEnd(0)
		w.wantStory("b")
	})
}

func TestGate_EndsAsTheSignalWouldEndAProcessWhileStandingBy(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGALRM} {
		inBubble(t, func(w *world) {
			w.leader("a")
			b := w.heir("b")
			b.signals <- sig
			w.after(blink)
			b.wantEnd(128 + int(sig))
			w.wantStory("b")
		})
	}
}

func TestGate_IgnoresSignalsThatEndNoProcessWhileStandingBy(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.leader("a")
		b := w.heir("b")
		for _, sig := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGCHLD} {
			b.signals <- sig
			w.after(blink)
			b.wantRunning()
		}
		a.exit(0)
		w.after(blink)
		w.wantStory("b", "acquired", "started", "published") // they are not passed on later
	})
}

func TestGate_SettlesAnAcquireUnderWayAndReleasesWhenStopped(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"answered late":         {Slow: 3 * time.Second},
		"arrives late":          {Late: 3 * time.Second},
		"not answered":          {Lose: true},
		"answered with failure": {Late: 3 * time.Second, Refuse: errServer},
		"never arrives":         {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(w *world) {
				a := w.pod("a", func(p *pod) { p.link.on(once("acquired", f)) })
				w.at(time.Second)
				a.signals <- syscall.SIGTERM
				w.after(2 * deadline)
				a.wantEnd(0)
				w.wantNever("a", "started")
				if obs := w.store.look(); obs.Record.HolderIdentity != "" {
					t.Errorf("the lock is left held by %s\n%s", obs.Record.HolderIdentity, w.story)
				}
				if n := len(w.story.times("a", "acquired")); n != len(w.story.times("a", "released")) {
					t.Errorf("acquired %d times\n%s", n, w.story)
				}
			})
		})
	}
}

func TestGate_IgnoresFurtherSignalsWhileItSettlesAnAcquire(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", func(p *pod) { p.link.on(once("acquired", fault{Slow: 1900 * time.Millisecond})) })
		w.at(time.Second)
		a.signals <- syscall.SIGTERM
		w.after(blink)
		a.signals <- syscall.SIGHUP
		w.after(deadline)
		w.wantStory("a", "acquired", "released")
		a.wantEnd(0)
	})
}

func TestGate_ReleasesWithoutAStartWhenStoppedAtTheMomentOfTheAnswer(t *testing.T) {
	t.Parallel()
	repeat(t, func(w *world) {
		a := w.pod("a", func(p *pod) {
			p.link.on(once("acquired", fault{Slow: time.Second, Answering: func() { p.signals <- syscall.SIGTERM }}))
		})
		w.at(2 * time.Second)
		w.wantStory("a", "acquired", "released")
		a.wantEnd(0)
	})
}

// The campaign is won after the signal was taken, and before it was ended.
func TestGate_ReleasesWithoutAStartWhenElectedWhileLeaving(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		elected := false
		a := w.pod("a", func(p *pod) {
			p.link.on(once("acquired", fault{Slow: time.Second}))
			p.hear(func(message string) {
				switch message {
				case "leaving":
					time.Sleep(time.Second) // the logger of the gate's goroutine, past the answer
				case "elected":
					elected = true
				}
			})
		})
		w.at(500 * time.Millisecond)
		a.signals <- syscall.SIGTERM
		w.at(3 * time.Second)
		if !elected {
			t.Error("not elected: the test is not about what it says")
		}
		w.wantStory("a", "acquired", "released")
		a.wantEnd(0)
	})
}

func TestGate_ReleasesWithoutAStartWhenItsContextEndsAtTheElection(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", func(p *pod) {
			p.hear(func(message string) {
				if message == "elected" {
					p.cancel()
				}
			})
		})
		w.at(time.Second)
		w.wantStory("a", "acquired", "released")
		a.wantEnd(0)
	})
}
