package statusfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// onVolume runs f with a file system of its own, of four pages, and what makes that
// read-only. It is seen by the thread of f alone, with which it goes.
func onVolume(t *testing.T, f func(dir string, readOnly func() error) error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount")
	}
	dir := t.TempDir()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("unshare: %w", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("make mounts private: %w", err)
			}
			if err := unix.Mount("volume", dir, "tmpfs", 0, "size=16k"); err != nil {
				return fmt.Errorf("mount: %w", err)
			}
			return f(dir, func() error { return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "") })
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A hardened image's user has a umask that lets nobody else in.
func TestDirectory_CanBeReadByAllWhateverTheUmask(t *testing.T) {
	t.Parallel()
	onVolume(t, func(dir string, _ func() error) error {
		theirs := filepath.Join(dir, "theirs")
		unix.Umask(0o077) // of this thread, which has unshared its mounts
		if err := os.Mkdir(theirs, 0o700); err != nil {
			return err
		}
		if err := directory(filepath.Join(theirs, "a", "b")).prepare("pod-a"); err != nil {
			return err
		}
		for path, want := range map[string]os.FileMode{"": 0o700, "a": 0o755, "a/b": 0o755, "a/b/follower": 0o644} {
			info, err := os.Stat(filepath.Join(theirs, path))
			if err != nil {
				return err
			}
			if info.Mode().Perm() != want {
				t.Errorf("%q has the mode %o, want %o", path, info.Mode().Perm(), want)
			}
		}
		return nil
	})
}

// A file system that has found an error in itself becomes read-only.
func TestLower_KnowsAFileThatIsGoneFromOneThatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	for _, raised := range []bool{false, true} {
		onVolume(t, func(dir string, readOnly func() error) error {
			f := directory(dir)
			err := f.prepare("pod-a")
			if err == nil && raised {
				err = f.raise("pod-a", always)
			}
			if err := errors.Join(err, readOnly()); err != nil {
				return err
			}
			err = f.lower()
			if raised != errors.Is(err, syscall.EROFS) || !raised && err != nil {
				t.Errorf("raised %t: lower: %v", raised, err)
			}
			if err := f.raise("pod-a", always); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "without readOnly") {
				t.Errorf("raised %t: raise: %v", raised, err)
			}
			return nil
		})
	}
}

// Somebody has removed it, and it cannot be made anew.
func TestLower_NeedsNoDirectory(t *testing.T) {
	t.Parallel()
	onVolume(t, func(dir string, readOnly func() error) error {
		if err := readOnly(); err != nil {
			return err
		}
		f := directory(filepath.Join(dir, "status"))
		if err := f.lower(); err != nil {
			t.Errorf("lower: %v", err)
		}
		if err := f.raise("pod-a", always); !errors.Is(err, syscall.EROFS) {
			t.Errorf("raise: %v", err)
		}
		return nil
	})
}

func TestRaise_OnAVolumeThatIsFullLeavesNothing(t *testing.T) {
	t.Parallel()
	onVolume(t, func(dir string, _ func() error) error {
		f := directory(dir)
		if err := f.prepare("pod-a"); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 1<<16), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the volume is not full: %v", err)
		}
		if err := f.raise("pod-a", always); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room there") {
			t.Errorf("raise: %v", err)
		}
		entries, err := os.ReadDir(dir)
		if len(entries) != 2 || entries[0].Name() != "follower" {
			t.Errorf("there are %v", entries)
		}
		return err
	})
}
