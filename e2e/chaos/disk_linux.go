package chaos

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// mountSmall mounts a file system of a few kilobytes, for the files of one lock,
// until the test ends.
func (f *fleet) mountSmall() string {
	f.t.Helper()
	folder := f.t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=32k,mode=0700"); err != nil {
		f.t.Fatalf("mount a small file system: %v", err)
	}
	f.t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			f.t.Errorf("unmount %s: %v", folder, err)
		}
	})
	return folder
}

// fill leaves no room on the file system of the lock; the returned function makes
// it again.
func (f *fleet) fill() (empty func() error, err error) {
	path := filepath.Join(f.locks, "filler")
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	for err == nil {
		_, err = file.Write(bytes.Repeat([]byte("x"), 1024))
	}
	if !errors.Is(err, unix.ENOSPC) {
		return nil, errors.Join(err, file.Close())
	}
	return func() error { return os.Remove(path) }, file.Close()
}

// inside tells whether somebody stands still within a read or write of the lock: who
// does not is through within a tick.
func (f *fleet) inside() (bool, error) {
	names, err := filepath.Glob(filepath.Join(f.locks, "*.mutex"))
	if err != nil || len(names) == 0 {
		return false, err
	}
	mutex, err := os.Open(names[0])
	if err != nil {
		return false, err
	}
	defer func() { _ = mutex.Close() }() // with the flock
	for range 10 {
		if err := unix.Flock(int(mutex.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return false, err
		}
		time.Sleep(tick)
	}
	return true, nil
}

func fillDisk(h hit) (func() error, error) {
	return h.fleet.fill()
}
