package filelock

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// What people do to the files.

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestLock_IsAbsentWithoutItsRecordAndStillHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, other := newLock(t, dir), newLock(t, dir)
	held := acquire(t, holder, "a")
	w := watch(t, other)
	w.await(t, names("a"))

	remove(t, holder.path+recordEnding)
	absent := w.await(t, func(obs elector.Observation) bool { return !obs.Exists })
	if absent.Revision <= held.Revision {
		t.Errorf("the deletion has revision %d after %d, which nobody notices", absent.Revision, held.Revision)
	}
	refuses(t, other, absent, heldBy("b"))
	refuses(t, other, absent, elector.Record{})
	refuses(t, holder, held, heldBy("a"))

	again := write(t, holder, read(t, holder), heldBy("a"))
	if again.Revision <= held.Revision {
		t.Errorf("revision %d after %d and a deletion", again.Revision, held.Revision)
	}
	w.await(t, names("a"))
}

// The elector makes a record anew without a holder first. The flock must not be
// given up for that: the holder's child has it too, so it could not be taken
// again.
func TestLock_MakesADeletedRecordAnewWhileTheChildHasTheFlockToo(t *testing.T) {
	t.Parallel()
	holder := newLock(t, t.TempDir())
	acquire(t, holder, "a")
	inherited, err := unix.Dup(holder.tenancy.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(inherited) }()

	remove(t, holder.path+recordEnding)
	empty := write(t, holder, read(t, holder), elector.Record{})
	write(t, holder, empty, heldBy("a"))
}

func TestLock_GrowsItsRevisionOverADeletionThatNobodySaw(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newLock(t, dir)
	held := acquire(t, first, "a")
	write(t, first, held, released())
	for _, ending := range []string{recordEnding, lockEnding, mutexEnding} {
		remove(t, first.path+ending)
	}
	if obs := acquire(t, newLock(t, dir), "b"); obs.Revision <= held.Revision {
		t.Errorf("revision %d after %d", obs.Revision, held.Revision)
	}
}

func TestLock_TakesADeletedLockFileForNoProof(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, other := newLock(t, dir), newLock(t, dir)
	held := acquire(t, holder, "a")

	remove(t, holder.path+lockEnding)
	if obs := read(t, other); obs.Record.HolderIdentity != "a" {
		t.Errorf("without a lock file shown as %+v", obs.Record)
	}
	if err := os.WriteFile(holder.path+lockEnding, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if obs := read(t, other); obs.Record.HolderIdentity != "a" {
		t.Errorf("with another lock file shown as %+v", obs.Record)
	}

	renewed := write(t, holder, held, heldBy("a"))
	refuses(t, other, read(t, other), heldBy("b"))
	write(t, holder, renewed, released())
	acquire(t, other, "b")
}

// Who finds the lease expired may have the new file; then the old holder is out.
func TestLock_PassesOnWhenTheLockFileWasDeletedAndTheHolderDoesNotRenew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, other := newLock(t, dir), newLock(t, dir)
	held := acquire(t, holder, "a")
	remove(t, holder.path+lockEnding)
	acquire(t, other, "b")
	refuses(t, holder, held, heldBy("a"))
	refuses(t, holder, read(t, holder), heldBy("a"))
}

func TestLock_OutlivesItsMutexFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, other := newLock(t, dir), newLock(t, dir)
	held := acquire(t, holder, "a")
	remove(t, holder.path+mutexEnding)
	write(t, holder, held, heldBy("a"))
	refuses(t, other, read(t, other), heldBy("b"))
}

func TestLock_OutlivesItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/locks"
	holder, other := newLock(t, dir), newLock(t, dir)
	acquire(t, holder, "a")
	w := watch(t, other)
	w.await(t, names("a"))

	// In one step: who deletes file by file races with those who make them anew.
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir + ".old"); err != nil {
		t.Fatal(err)
	}
	if err := w.ended(t); !errors.Is(err, errDirGone) {
		t.Errorf("the watch ended with %v", err)
	}
	write(t, holder, read(t, holder), heldBy("a"))
	refuses(t, other, read(t, other), heldBy("b"))
	if first := watch(t, other).next(t); first.Record.HolderIdentity != "a" {
		t.Errorf("the next watch begins with %+v", first)
	}
}

func TestLock_ShowsARecordThatWasEditedAsAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, other := newLock(t, dir), newLock(t, dir)
	held := acquire(t, holder, "a")
	w := watch(t, other)
	w.await(t, names("a"))

	edited := strings.Replace(held.Origin.(origin).raw, `"holderIdentity":"a"`, `"holderIdentity":"z","note":["kept"]`, 1)
	if err := os.WriteFile(holder.path+recordEnding, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	obs := w.await(t, names("z"))
	if obs.Revision <= held.Revision || obs.Spec == held.Spec {
		t.Errorf("revision %d after %d, spec %s after %s", obs.Revision, held.Revision, obs.Spec, held.Spec)
	}
	refuses(t, holder, held, heldBy("a"))

	again := write(t, holder, read(t, holder), heldBy("a"))
	if !strings.Contains(again.Spec, `"note":["kept"]`) {
		t.Errorf("a foreign field was lost: %s", again.Spec)
	}
}

func TestLock_TakesGarbageForARecordThatSaysNothing(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{
		"empty":           "",
		"cut off":         `{"holderIdentity":"a","lease`,
		"no object":       `["a"]`,
		"a wrong type":    `{"holderIdentity":7}`,
		"end of counting": `{"holderIdentity":"a","revision":18446744073709551615}`,
		"huge":            `{"holderIdentity":"` + strings.Repeat("a", maxRecord) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lock := newLock(t, t.TempDir())
			if err := os.WriteFile(lock.path+recordEnding, []byte(garbage), 0o600); err != nil {
				t.Fatal(err)
			}
			obs := read(t, lock)
			if !obs.Exists || obs.Record != (elector.Record{}) || isReleased(obs) {
				t.Errorf("read as %+v", obs)
			}
			refuses(t, lock, elector.Observation{}, heldBy("a")) // as if it were absent
			if next := write(t, lock, obs, heldBy("a")); next.Revision <= obs.Revision || next.Record.HolderIdentity != "a" {
				t.Errorf("%+v", next)
			}
		})
	}
}

func TestLock_WaitsForTheLeaseOfARecordThatNamesNoLockFile(t *testing.T) {
	t.Parallel()
	lock := newLock(t, t.TempDir())
	record := `{"holderIdentity":"somebody","leaseDurationSeconds":15,"renewTime":"2026-01-01T00:00:00+01:00"}`
	if err := os.WriteFile(lock.path+recordEnding, []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	obs := read(t, lock)
	if obs.Record.HolderIdentity != "somebody" {
		t.Errorf("%+v", obs.Record)
	}
	heir := obs.Record
	heir.Heir = "me"
	if noted := write(t, lock, obs, heir); noted.Record.HolderIdentity != "somebody" || lock.tenancy != nil {
		t.Errorf("%+v", noted)
	}
}
