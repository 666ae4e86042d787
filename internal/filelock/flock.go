package filelock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errBusy: somebody else has the flock.
var errBusy = errors.New("locked by another process")

// flocked is an open file on which this process has a flock. It is a bare
// descriptor: an os.File would be closed when it is forgotten.
type flocked struct {
	fd    int
	inode uint64
	// ceiling is the greatest revision that this process has reserved in the
	// file; 0: none.
	ceiling uint64
}

// take opens path, which is made if it is missing, and takes a flock on it, or
// returns errBusy. The file is then the one that has this name: a flock on one
// that was deleted meanwhile would exclude nobody.
func take(path string, access int, mode uint32, how int) (*flocked, error) {
	for {
		file, err := open(path, access|unix.O_CREAT, mode)
		if err != nil {
			return nil, err
		}
		if err = file.lock(how); err == nil && file.is(path) {
			return file, nil
		}
		file.close()
		if err != nil {
			return nil, err
		}
	}
}

// open opens a lock file without a flock. Descendants do not inherit it.
func open(path string, flags int, mode uint32) (*flocked, error) {
	fd, err := again(func() (int, error) {
		return unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err == nil && flags&unix.O_CREAT != 0 &&
		stat.Mode&0o777 != mode && int(stat.Uid) == unix.Geteuid() {
		// The umask is meant for files whose rights nobody thought of.
		err = unix.Fchmod(fd, mode)
	}
	file := &flocked{fd: fd, inode: stat.Ino}
	if err != nil {
		file.close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return file, nil
}

func (f *flocked) lock(how int) error {
	_, err := again(func() (int, error) { return 0, unix.Flock(f.fd, how|unix.LOCK_NB) })
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return errBusy
	case err != nil:
		return fmt.Errorf("flock: %w", err)
	}
	return nil
}

// unlock frees the flock for every process that may have inherited it, for
// instance one that was forked and has not yet called exec.
func (f *flocked) unlock() {
	_ = unix.Flock(f.fd, unix.LOCK_UN)
	f.close()
}

// close gives this process's share of the flock up; who inherited it keeps it.
func (f *flocked) close() { _ = unix.Close(f.fd) }

// is reports whether path names this very file.
func (f *flocked) is(path string) bool {
	var own, named unix.Stat_t
	return unix.Fstat(f.fd, &own) == nil && unix.Lstat(path, &named) == nil &&
		own.Dev == named.Dev && own.Ino == named.Ino
}

// bequeath lets the processes that are started from now on, and theirs, keep
// the flock together with this one.
func (f *flocked) bequeath() error {
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("clear close-on-exec: %w", err)
	}
	return nil
}

// again repeats a call that a signal interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
