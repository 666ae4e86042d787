package filelock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// headroom is how many revisions are reserved at once: more than most holders
// ever write, and as a part of the wall clock no more than 17 ms.
const headroom = 1 << 24

// ceilingLength is that of the greatest uint64 and a line's end.
const ceilingLength = 21

// revise returns the revision of a write by the tenant. It is one that no crash
// of the machine can bring back: see the package doc. acquired: this is the first
// write under the present flock.
func (l *Lock) revise(acquired bool) (uint64, error) {
	next := l.revision + 1
	if acquired {
		// The record may be an old one, or lost, since the machine crashed.
		reserved, err := l.tenancy.readCeiling()
		if err != nil {
			return 0, err
		}
		next = max(next, reserved+1, uint64(max(time.Now().UnixNano(), 0)))
	}
	if next <= l.tenancy.ceiling {
		return next, nil
	}
	if err := l.tenancy.writeCeiling(next + headroom); err != nil {
		return 0, err
	}
	// The file may be as new as its name.
	if err := syncDir(l.dir); err != nil {
		return 0, err
	}
	l.tenancy.ceiling = next + headroom
	return next, nil
}

// readCeiling returns the number in the file, 0 where there is none.
func (f *flocked) readCeiling() (uint64, error) {
	text := make([]byte, ceilingLength)
	n, err := again(func() (int, error) { return unix.Pread(f.fd, text, 0) })
	if err != nil {
		return 0, fmt.Errorf("read the number in the lock file: %w", err)
	}
	ceiling, err := strconv.ParseUint(strings.TrimSpace(string(text[:n])), 10, 64)
	if err != nil || ceiling > maxRevision {
		return 0, nil
	}
	return ceiling, nil
}

// writeCeiling puts the number into the file and returns when it would survive a
// crash. It has one length, and lies within one sector of any disk: whoever is
// killed here leaves the former one or this.
func (f *flocked) writeCeiling(ceiling uint64) error {
	text := fmt.Appendf(nil, "%0*d\n", ceilingLength-1, ceiling)
	n, err := again(func() (int, error) { return unix.Pwrite(f.fd, text, 0) })
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err == nil {
		_, err = again(func() (int, error) { return 0, unix.Fdatasync(f.fd) })
	}
	if err != nil {
		return fmt.Errorf("write the number in the lock file: %w", err)
	}
	return nil
}

// syncDir makes the names in a directory survive a crash.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, unix.EINVAL) { // the file system keeps no directories to sync
		err = nil
	}
	return errors.Join(err, dir.Close())
}
