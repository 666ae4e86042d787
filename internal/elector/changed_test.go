package elector

import (
	"testing"
	"testing/synctest"
	"time"
)

// mirror reads the status when it is told of a change, and never else.
type mirror struct {
	woken chan struct{}
	seen  Status
	at    time.Duration
}

func (m *mirror) changed() {
	select {
	case m.woken <- struct{}{}:
	default:
	}
}

func (m *mirror) follow(w *world, n *node) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-m.woken:
				m.seen, m.at = n.Status(), w.now()
			case <-quit:
				return
			}
		}
	}()
	w.t.Cleanup(func() { close(quit); <-ended })
}

func TestChanged_TellsAReaderOfEveryChange(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		m := &mirror{woken: make(chan struct{}, 1)}
		w.server.put(held("b", lease))
		a := w.node("a", func(c *Config) { c.Changed = m.changed })
		m.follow(w, a)
		want := func(when string, leads bool, holder string) {
			t.Helper()
			synctest.Wait()
			if now := a.Status(); now.Holding != m.seen.Holding || now.HolderIdentity != holder || m.seen.HolderIdentity != holder {
				t.Errorf("%s: it is %+v, and was seen as %+v", when, now, m.seen)
			}
			if got := m.seen.ExpiresIn > 0; got != leads {
				t.Errorf("%s: seen as leading: %v, want %v", when, got, leads)
			}
		}
		w.at(blink)
		want("standing by", false, "b")

		w.server.put(Record{LeaseDuration: time.Second, LeaseTransitions: 1})
		term := a.lead()
		want("elected", true, "a")
		for range 3 {
			w.after(retry)
			want("renewed", true, "a")
			if left := m.seen.ExpiresIn - (w.now() - m.at); left < lease-retry {
				t.Errorf("the renewal was not told of: %v of the lease are left", left)
			}
		}

		a.client.on(always(fault{Drop: true}, "renew"))
		w.after(deadline)
		want("over", false, "a")
		a.client.on(always(fault{}, "release"))
		if err := term.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("released", false, "")
		if m.seen.Holding {
			t.Error("seen as holding after the release")
		}
	})
}
