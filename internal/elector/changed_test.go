package elector

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// mirror reads the status when it is told of a change, and never else.
type mirror struct {
	woken chan struct{}

	mu   sync.Mutex
	seen Status
	at   time.Duration
}

// look returns what was seen last, and when.
func (m *mirror) look() (Status, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen, m.at
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
				m.mu.Lock()
				m.seen, m.at = n.Status(), w.now()
				m.mu.Unlock()
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
			seen, _ := m.look()
			if now := a.Status(); now.Holding != seen.Holding || now.HolderIdentity != holder || seen.HolderIdentity != holder {
				t.Errorf("%s: it is %+v, and was seen as %+v", when, now, seen)
			}
			if got := seen.ExpiresIn > 0; got != leads {
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
			seen, at := m.look()
			if left := seen.ExpiresIn - (w.now() - at); left < lease-retry {
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
		if seen, _ := m.look(); seen.Holding {
			t.Error("seen as holding after the release")
		}
	})
}
