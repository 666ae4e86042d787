package filelock

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// contract is what elector expects of any Lock. Each test gets two Locks that
// are kept in one place, nothing being there yet.
var contract = []struct {
	name string
	test func(t *testing.T, a, b elector.Lock)
}{
	{"a lock that was never made is absent", func(t *testing.T, a, _ elector.Lock) {
		if obs := read(t, a); obs.Exists || obs.Revision != 0 || obs.Record != (elector.Record{}) {
			t.Errorf("%+v", obs)
		}
	}},
	{"what was written is read", func(t *testing.T, a, b elector.Lock) {
		want := heldBy("a")
		want.AcquireTime = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("", 3600))
		want.LeaseDuration = 1500 * time.Millisecond
		want.Instance, want.Heir = `{"process":"1"}`, "b\n«»\x00"
		wrote := write(t, a, read(t, a), want)
		for who, obs := range map[string]elector.Observation{"the writer": wrote, "itself": read(t, a), "the other": read(t, b)} {
			got := obs.Record
			if !got.AcquireTime.Equal(want.AcquireTime) || !got.RenewTime.Equal(want.RenewTime) {
				t.Errorf("%s: times %v, %v", who, got.AcquireTime, got.RenewTime)
			}
			got.AcquireTime, got.RenewTime = want.AcquireTime, want.RenewTime
			if got.LeaseDuration != 2*time.Second {
				t.Errorf("%s: duration %v is not rounded up", who, got.LeaseDuration)
			}
			got.LeaseDuration = want.LeaseDuration
			if got != want || !obs.Exists || obs.Revision != wrote.Revision || obs.Spec != wrote.Spec {
				t.Errorf("%s: %+v", who, obs)
			}
		}
	}},
	{"absent times stay absent", func(t *testing.T, a, _ elector.Lock) {
		obs := write(t, a, read(t, a), elector.Record{HolderIdentity: "a"})
		if r := obs.Record; !r.AcquireTime.IsZero() || !r.RenewTime.IsZero() || r.LeaseDuration != 0 {
			t.Errorf("%+v", r)
		}
	}},
	{"only one creates", func(t *testing.T, a, b elector.Lock) {
		absent := read(t, b)
		acquire(t, a, "a")
		refuses(t, b, absent, heldBy("b"))
	}},
	{"a write from an older state is refused", func(t *testing.T, a, b elector.Lock) {
		old := acquire(t, a, "a")
		write(t, a, old, heldBy("a"))
		refuses(t, a, old, heldBy("a"))
		refuses(t, b, old, heldBy("b"))
		heir := old.Record
		heir.Heir = "b"
		refuses(t, b, old, heir)
	}},
	{"every write raises the revision", func(t *testing.T, a, b elector.Lock) {
		var last uint64
		obs := read(t, a)
		for _, to := range []elector.Record{heldBy("a"), heldBy("a"), released(), heldBy("a"), released()} {
			obs = write(t, a, obs, to)
			if obs.Revision <= last {
				t.Fatalf("revision %d after %d", obs.Revision, last)
			}
			last = obs.Revision
		}
		if next := acquire(t, b, "b").Revision; next <= last {
			t.Fatalf("revision %d after %d", next, last)
		}
	}},
	{"hints are no part of the spec, the rest is", func(t *testing.T, a, b elector.Lock) {
		was := acquire(t, a, "a")
		hinted := was.Record
		hinted.Heir, hinted.Instance = "b", "i"
		is := write(t, a, was, hinted)
		if is.Spec != was.Spec {
			t.Errorf("hints changed the spec from %s to %s", was.Spec, is.Spec)
		}
		hinted.RenewTime = hinted.RenewTime.Add(time.Second)
		if renewed := write(t, a, is, hinted); renewed.Spec == is.Spec {
			t.Errorf("a renewal did not change the spec %s", is.Spec)
		}
	}},
	{"a candidate may leave a note and keeps the holder", func(t *testing.T, a, b elector.Lock) {
		acquire(t, a, "a")
		seen := read(t, b)
		claim := seen.Record
		claim.Heir = "b"
		noted := write(t, b, seen, claim)
		if noted.Record.Heir != "b" || noted.Record.HolderIdentity != "a" || noted.Spec != seen.Spec {
			t.Errorf("%+v", noted)
		}
		renewed := write(t, a, read(t, a), heldBy("a"))
		if renewed.Record.Heir != "" {
			t.Errorf("the heir %q outlived the write without", renewed.Record.Heir)
		}
	}},
	{"a release lets the next one in", func(t *testing.T, a, b elector.Lock) {
		obs := write(t, a, acquire(t, a, "a"), released())
		if !isReleased(obs) || !isReleased(read(t, b)) {
			t.Errorf("not released: %+v", obs)
		}
		acquire(t, b, "b")
		refuses(t, a, obs, heldBy("a"))
	}},
	{"of many that write from one state one succeeds", func(t *testing.T, a, b elector.Lock) {
		obs := read(t, a)
		var won, lost atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			lock := []elector.Lock{a, b}[i%2]
			all.Go(func() {
				switch _, err := lock.Write(context.Background(), obs, heldBy("x")); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, elector.ErrConflict):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != 19 {
			t.Errorf("%d succeeded, %d were refused", won.Load(), lost.Load())
		}
	}},
	{"of a note and a renewal from one state one succeeds", func(t *testing.T, a, b elector.Lock) {
		acquire(t, a, "a")
		for range 50 {
			obs := read(t, a)
			note := read(t, b)
			to := note.Record
			to.Heir += "b"
			errs := make(chan error, 2)
			go func() { _, err := a.Write(context.Background(), obs, heldBy("a")); errs <- err }()
			go func() { _, err := b.Write(context.Background(), note, to); errs <- err }()
			first, second := <-errs, <-errs
			if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), elector.ErrConflict) {
				t.Fatalf("%v, %v", first, second)
			}
		}
	}},
	{"a watch delivers the present, then changes", func(t *testing.T, a, b elector.Lock) {
		w := watch(t, b)
		if obs := w.next(t); obs.Exists {
			t.Errorf("first %+v", obs)
		}
		obs := acquire(t, a, "a")
		if got := w.await(t, names("a")); got.Revision != obs.Revision || got.Spec != obs.Spec {
			t.Errorf("watched %+v, wrote %+v", got, obs)
		}
		write(t, a, obs, released())
		w.await(t, isReleased)
		acquire(t, b, "b")
		last := w.await(t, names("b"))
		if again := watch(t, b).next(t); again.Revision != last.Revision {
			t.Errorf("a new watch begins with revision %d, not %d", again.Revision, last.Revision)
		}
	}},
	{"a watch tells the writer of its own writes", func(t *testing.T, a, _ elector.Lock) {
		w := watch(t, a)
		obs := acquire(t, a, "a")
		if got := w.await(t, names("a")); got.Revision != obs.Revision {
			t.Errorf("watched revision %d, wrote %d", got.Revision, obs.Revision)
		}
	}},
	{"a watch ends with its context", func(t *testing.T, a, _ elector.Lock) {
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		if err := a.Watch(ctx, func(elector.Observation) { cancel(reason) }); !errors.Is(err, reason) {
			t.Errorf("%v", err)
		}
	}},
	{"a context that has ended writes nothing", func(t *testing.T, a, _ elector.Lock) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		absent := read(t, a)
		for range 20 { // the turn is free too, and select takes either
			if _, err := a.Write(ctx, absent, heldBy("a")); err == nil {
				t.Fatal("written")
			}
		}
		if read(t, a).Exists {
			t.Error("written")
		}
	}},
}

func TestLock_KeepsTheContract(t *testing.T) {
	t.Parallel()
	for _, row := range contract {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			row.test(t, newLock(t, dir), newLock(t, dir))
		})
	}
}
