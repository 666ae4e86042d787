package selfinstall

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// temporary is the name under which the copy for path is made: one and the same
// for all installs, so that what killed ones leave does not add up.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+name+".installing")
}

// begin makes the file with this name anew and takes the flock on it, which says
// that an install is under way. A file without one was left behind; one with it
// is waited for.
func begin(temporary string) (*os.File, error) {
	for {
		file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
		switch {
		case errors.Is(err, fs.ErrExist):
			if err := discard(temporary); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		if err := flock(file); err != nil {
			_ = os.Remove(temporary)
			_ = file.Close()
			return nil, err
		}
		if same(file) {
			return file, nil
		}
		// Between the two calls it looked like left behind, and was removed.
		_ = file.Close()
	}
}

// discard waits for the install that owns the file, and removes the file if that
// has ended without doing so.
func discard(temporary string) error {
	// Reading is all that may be permitted: a finished copy is nobody's to write.
	file, err := os.OpenFile(temporary, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; remove that file, which a former install left", err)
	}
	defer func() { _ = file.Close() }()
	if err := flock(file); err != nil {
		return err
	}
	if !same(file) {
		return nil
	}
	return os.Remove(temporary)
}

// flock waits for the exclusive lock of the file, which ends with the process.
func flock(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			failed = syscall.Flock(int(fd), syscall.LOCK_EX)
			if !errors.Is(failed, syscall.EINTR) {
				return
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("flock %s: %w", file.Name(), failed)
	}
	return err
}

// same reports whether the file still has its name.
func same(file *os.File) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(file.Name())
	return err == nil && os.SameFile(opened, named)
}
