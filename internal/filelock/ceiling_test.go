package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// future is a revision that the wall clock does not reach during the tests: to
// whoever finds it, the clock is behind, as after a crash on a machine without a
// battery for it.
func future() uint64 { return uint64(time.Now().Add(1000 * time.Hour).UnixNano()) }

// reserve leaves a number in the lock file, as former holders did.
func reserve(t *testing.T, lock *Lock, content string) {
	t.Helper()
	if err := os.WriteFile(lock.path+lockEnding, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is not synced, a crash of the machine may bring back, cut off or take
// away. Tokens grow all the same.
func TestLock_GrowsItsTokensOverACrashThatLostTheRecord(t *testing.T) {
	t.Parallel()
	var old []byte // of the holder's first write
	for name, lose := range map[string]func(path string, now []byte) error{
		"empty":   func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"zeros":   func(path string, now []byte) error { return os.WriteFile(path, make([]byte, len(now)), 0o600) },
		"cut off": func(path string, now []byte) error { return os.WriteFile(path, now[:len(now)/2], 0o600) },
		"old":     func(path string, _ []byte) error { return os.WriteFile(path, old, 0o600) },
		"absent":  func(path string, _ []byte) error { return os.Remove(path) },
		"whole":   func(string, []byte) error { return nil },
	} {
		// Not parallel: old is one variable.
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := newLock(t, dir)
			reserved := future()
			reserve(t, before, fmt.Sprintf("%020d\n", reserved))
			obs := acquire(t, before, "a")
			if obs.Revision != reserved+1 {
				t.Fatalf("revision %d after %d reserved", obs.Revision, reserved)
			}
			old = content(t, before.path+recordEnding)
			for range 3 {
				obs = write(t, before, obs, heldBy("a"))
			}
			// A term that was lost is followed by another under the same flock:
			// to the lock it looks like a renewal, and its revision is a token.
			token := obs.Revision

			before.vacate()
			if err := lose(before.path+recordEnding, content(t, before.path+recordEnding)); err != nil {
				t.Fatal(err)
			}
			after := newLock(t, dir)
			if got := acquire(t, after, "b").Revision; got <= token {
				t.Errorf("token %d after %d", got, token)
			}
		})
	}
}

func TestLock_ReservesMoreBeforeItsRevisionsAreUsedUp(t *testing.T) {
	t.Parallel()
	lock := newLock(t, t.TempDir())
	obs := acquire(t, lock, "a")
	reserved := lock.tenancy.ceiling
	if reserved < obs.Revision {
		t.Fatalf("revision %d is above the %d reserved", obs.Revision, reserved)
	}
	lock.revision = reserved - 1
	obs = write(t, lock, obs, heldBy("a"))
	if obs.Revision != reserved || lock.tenancy.ceiling != reserved {
		t.Errorf("revision %d and %d reserved, want the last of %d", obs.Revision, lock.tenancy.ceiling, reserved)
	}
	obs = write(t, lock, obs, heldBy("a"))
	stored, err := lock.tenancy.readCeiling()
	if err != nil || obs.Revision != reserved+1 || stored < obs.Revision || stored != lock.tenancy.ceiling {
		t.Errorf("revision %d, in the file %d, %v", obs.Revision, stored, err)
	}
}

func TestLock_CountsOnFromTheRecordWhereTheLockFileHasNoNumber(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{
		"empty": "", "text": "not a number\n", "negative": "-00000000000000000001\n",
		"beyond counting": "18446744073709551615\n", "near the end": "09999999999999999999\n", "zeros": strings.Repeat("\x00", ceilingLength),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lock := newLock(t, t.TempDir())
			reserve(t, lock, garbage)
			revision := future()
			raw, err := document{fields: fields{Revision: revision}}.encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(lock.path+recordEnding, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			if obs := acquire(t, lock, "a"); obs.Revision != revision+1 {
				t.Errorf("revision %d after %d", obs.Revision, revision)
			}
			if stored, err := lock.tenancy.readCeiling(); err != nil || stored != revision+1+headroom {
				t.Errorf("reserved %d, %v", stored, err)
			}
		})
	}
}

// /var/lock is one, on many systems.
func TestLock_WorksInADirectoryThatIsASymbolicLink(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	lock := newLock(t, link)
	write(t, lock, acquire(t, lock, "a"), released())
}

func TestLock_SyncsWhatATokenNeedsAndNothingForARenewalOrARelease(t *testing.T) {
	for name := range syncs {
		t.Run(name, func(t *testing.T) { runFor(t, nil, asUnsynced, t.TempDir(), name) })
	}
}

// syncs are the system calls by which each is synced that a token needs.
var syncs = map[string]uint32{"the lock file": unix.SYS_FDATASYNC, "its directory": unix.SYS_FSYNC}

// unsynced takes a lock, and once more after one of the two cannot be synced.
func unsynced(dir, what string) error {
	lock, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	held, err := acquireAlone(lock, "a")
	if err != nil {
		return err
	}
	if err := refuse(syncs[what], unix.SYS_SYNC, unix.SYS_SYNCFS); err != nil {
		return err
	}
	ctx := context.Background()
	if held, err = lock.Write(ctx, held, heldBy("a")); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	free, err := lock.Write(ctx, held, released())
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if _, err := lock.Write(ctx, free, heldBy("a")); !errors.Is(err, unix.EIO) {
		return fmt.Errorf("acquired without a sync: %w", err)
	}
	other, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	if obs, err := other.Read(ctx); err != nil || !isReleased(obs) || lock.tenancy != nil {
		return fmt.Errorf("after the acquisition that failed: %+v, %w", obs, err)
	}
	return nil
}

// refuse has the kernel answer these system calls of this process with EIO, for
// good (seccomp(2)).
func refuse(calls ...uint32) error {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equals = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		end    = unix.BPF_RET | unix.BPF_K
	)
	filter := []unix.SockFilter{{Code: load, K: 0}} // seccomp_data.nr
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: equals, Jt: uint8(len(calls) - i), K: call})
	}
	filter = append(filter,
		unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
	)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, err := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))); err != 0 {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}
