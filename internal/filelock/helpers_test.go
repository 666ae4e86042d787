package filelock

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// tooLong ends a test that would hang; nothing is measured by it.
const tooLong = time.Minute

func newLock(t *testing.T, dir string) *Lock {
	t.Helper()
	lock, err := New(dir, "prod", "db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lock.vacate)
	return lock
}

func heldBy(identity string) elector.Record {
	now := time.Now()
	return elector.Record{HolderIdentity: identity, LeaseDuration: 15 * time.Second, AcquireTime: now, RenewTime: now, LeaseTransitions: 1}
}

func released() elector.Record {
	return elector.Record{LeaseDuration: time.Second, RenewTime: time.Now(), LeaseTransitions: 1}
}

func read(t *testing.T, lock elector.Lock) elector.Observation {
	t.Helper()
	obs, err := lock.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

func write(t *testing.T, lock elector.Lock, from elector.Observation, to elector.Record) elector.Observation {
	t.Helper()
	obs, err := lock.Write(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

// acquire writes identity into whatever is there.
func acquire(t *testing.T, lock elector.Lock, identity string) elector.Observation {
	t.Helper()
	return write(t, lock, read(t, lock), heldBy(identity))
}

func refuses(t *testing.T, lock elector.Lock, from elector.Observation, to elector.Record) {
	t.Helper()
	before := read(t, lock)
	if _, err := lock.Write(t.Context(), from, to); !errors.Is(err, elector.ErrConflict) {
		t.Fatalf("write: %v, not a conflict", err)
	}
	if after := read(t, lock); after.Revision != before.Revision {
		t.Fatalf("a refused write changed revision %d to %d", before.Revision, after.Revision)
	}
}

// isReleased is what elector calls released.
func isReleased(obs elector.Observation) bool {
	r := obs.Record
	return obs.Exists && r.HolderIdentity == "" && r.LeaseDuration > 0 && r.LeaseDuration <= time.Second
}

func names(identity string) func(elector.Observation) bool {
	return func(obs elector.Observation) bool { return obs.Record.HolderIdentity == identity }
}

// watcher is a Watch that goes on during a test.
type watcher struct {
	last uint64
	any  bool
	seen chan elector.Observation
	end  chan error
}

func watch(t *testing.T, lock elector.Lock) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{seen: make(chan elector.Observation, 10_000), end: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.end <- lock.Watch(ctx, func(obs elector.Observation) { w.seen <- obs })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

func (w *watcher) next(t *testing.T) elector.Observation {
	t.Helper()
	select {
	case obs := <-w.seen:
		if w.any && obs.Revision <= w.last {
			t.Errorf("the watch delivers revision %d after %d, which is no change", obs.Revision, w.last)
		}
		w.last, w.any = obs.Revision, true
		return obs
	case err := <-w.end:
		t.Fatalf("the watch ended: %v", err)
	case <-time.After(tooLong):
		t.Fatal("the watch delivers nothing")
	}
	panic("unreachable")
}

func (w *watcher) await(t *testing.T, wanted func(elector.Observation) bool) elector.Observation {
	t.Helper()
	for {
		if obs := w.next(t); wanted(obs) {
			return obs
		}
	}
}

func (w *watcher) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.end:
		return err
	case <-time.After(tooLong):
		t.Fatal("the watch goes on")
	}
	panic("unreachable")
}
