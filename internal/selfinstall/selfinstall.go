// Package selfinstall copies the running program into a volume, for an init
// container. app calls it for --install.
//
// It guarantees that the target is at every moment what it was before or the
// whole program, also where it is being executed, and that a repeated call
// leaves nothing behind.
package selfinstall

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Name is the program's file name in a directory.
const Name = "k8s-await-election"

// Install copies the running program to target, a file or an existing
// directory, and returns the path of the copy. The error names the path and
// what helps.
func Install(target string) (string, error) {
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		target = filepath.Join(target, Name)
	}
	if err := install(target); err != nil {
		return "", fmt.Errorf("install %s: %w%s", target, err, remedy(err))
	}
	return target, nil
}

func install(target string) (err error) {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	// One fixed name, so that what a killed install left is written over. A
	// rename, not a copy in place: a program that runs cannot be written to
	// (ETXTBSY, execve(2)), and nobody may see half of one.
	temporary := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".new")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	_, err = io.Copy(file, program)
	// The file's own mode: the umask does not count.
	err = errors.Join(err, file.Chmod(0o555), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary, target)
}

func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "; the directory must exist: mount a volume there, such as an emptyDir"
	case errors.Is(err, syscall.EROFS):
		return "; mount the volume without readOnly in the init container"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "; the volume is full: give it a larger sizeLimit"
	case errors.Is(err, fs.ErrPermission):
		return "; let the user of the init container write there (fsGroup, or a volume of its own)"
	}
	return ""
}
