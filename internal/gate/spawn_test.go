package gate

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

// The start of the command.

func TestGate_ReleasesAndPassesTheErrorOnWhenTheCommandCannotBeStarted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		errStart := errors.New("exec: not found")
		a := w.pod("a", func(p *pod) {
			p.command.fails = errStart
			p.config.StandByWhenLost = true
		})
		w.after(blink)
		w.wantStory("a", "acquired", "released")
		a.wantEnd(0, errStart)
		if errors.Is(a.err, ErrLost) || errors.Is(a.err, ErrAlive) {
			t.Errorf("error %v", a.err)
		}
		w.wantNever("a", "announced LeaderElected")
		w.wantNever("a", "observed start of 1000")
	})
}

func TestGate_StartsNothingWhenTheTermIsOverBeforeTheStart(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", func(p *pod) {
			p.hear(func(message string) {
				if message == "elected" {
					p.boot.JumpUnnoticed(deadline)
				}
			})
		})
		w.after(lease)
		w.wantStory("a", "acquired", "released")
		a.wantEnd(0, ErrLost)
	})
}

func TestGate_CampaignsAgainWhenTheTermIsOverBeforeTheStartAndItIsToldSo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", func(p *pod) {
			p.config.StandByWhenLost = true
			late := true
			p.hear(func(message string) {
				if message == "elected" && late {
					late = false
					p.boot.JumpUnnoticed(deadline)
				}
			})
		})
		w.after(lease)
		w.wantStory("a", "acquired", "released", "acquired", "started", "published")
		a.wantRunning()
	})
}

// The answer to the acquiring write comes when a term counted from its sending
// is over. The record is its own by then, so it writes it again.
func TestGate_StartsOnlyByAnAnswerInTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		a := w.pod("a", func(p *pod) {
			p.link.on(once("acquired", fault{Slow: time.Second, Answering: func() { p.boot.JumpUnnoticed(deadline) }}))
		})
		w.at(time.Second)
		w.wantStory("a", "acquired")
		w.after(blink)
		w.wantStory("a", "acquired", "started", "published")
		w.wantOrder("a acquired", "a renewed", "a started")
		if token, first := a.process().extra, fmt.Sprint(TokenVariable, "=", w.store.lastAcquired()); slices.Contains(token, first) {
			t.Errorf("the token is that of the write that was answered too late: %q", token)
		}
		if got, want := a.process().extra, []string{fmt.Sprint(TokenVariable, "=", w.store.look().Revision)}; !slices.Equal(got, want) {
			t.Errorf("added to the environment: %q, want %q", got, want)
		}
	})
}

func TestGate_HandsTheAcquiringWritesRevisionToTheCommandAndItGrows(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *world) {
		last := uint64(0)
		check := func(p *pod) {
			t.Helper()
			token := w.store.lastAcquired()
			if got, want := p.process().extra, []string{fmt.Sprintf("K8S_AWAIT_ELECTION_FENCING_TOKEN=%d", token)}; !slices.Equal(got, want) {
				t.Errorf("added to %s's environment: %q, want %q", p.name, got, want)
			}
			if token <= last {
				t.Errorf("token %d after %d", token, last)
			}
			last = token
		}
		lossy := func(p *pod) { p.config.StandByWhenLost = true }
		a := w.leader("a", lossy)
		check(a)
		b := w.heir("b", lossy)
		t0 := a.cutOff()
		w.at(t0 + 2*lease)
		w.when("b", "started")
		check(b)
		a.link.heal()
		w.after(lease)
		b.signals <- syscall.SIGTERM
		w.after(blink)
		check(a)
		if n := len(w.store.acquired); n != 3 {
			t.Errorf("acquired %d times, want 3\n%s", n, w.story)
		}
	})
}
