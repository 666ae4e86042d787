package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

// inside tells whether the process has the lock's mutex, as it has within a read or
// write.
func (f *fleet) inside(pid int) (bool, error) {
	names, err := filepath.Glob(filepath.Join(f.locks, "*.mutex"))
	if err != nil || len(names) == 0 {
		return false, err
	}
	var mutex unix.Stat_t
	if err := unix.Stat(names[0], &mutex); err != nil {
		return false, err
	}
	all, err := os.ReadFile("/proc/locks")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(all)) {
		// 1: FLOCK  ADVISORY  WRITE 708 00:2a:1234 0 EOF (proc_locks(5))
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[1] == "FLOCK" && fields[4] == strconv.Itoa(pid) &&
			strings.HasSuffix(fields[5], fmt.Sprintf(":%d", mutex.Ino)) {
			return true, nil
		}
	}
	return false, nil
}

func fillDisk(h hit) (func() error, error) {
	return h.fleet.fill()
}
