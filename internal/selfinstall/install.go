// Package selfinstall copies the running binary into a volume, so that an init
// container can bring the gate to an image that does not have it.
//
// Guaranteed: the target is at every moment the former file or the new one,
// whole, also while the former one runs; and nothing else stays behind, but for
// one file of a known name where an install was killed, which the next one
// removes. It needs no shell, no /tmp and no other program. Installs into one
// directory wait for each other.
//
// Not guaranteed: that the volume may be executed from (mount option noexec).
//
// internal/app calls it for --install.
package selfinstall

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// name is what the binary is called in a directory.
	name = "k8s-await-election"
	// mode: who can see it may run it, nobody may change it.
	mode fs.FileMode = 0o555
	// running is the binary of this process, also where its file was replaced
	// or deleted since.
	running = "/proc/self/exe"
)

// Install copies the running binary to target: a file, or an existing directory
// in which it is called k8s-await-election. It returns the path of the copy. It
// may be repeated. An error names the path and what to do.
func Install(target string) (path string, err error) {
	path, err = destination(target)
	if err != nil {
		return "", err
	}
	if err := install(path); err != nil {
		return "", fmt.Errorf("install to %s: %w%s", path, err, remedy(err, filepath.Dir(path)))
	}
	return path, nil
}

// destination is the path of the file that target asks for.
func destination(target string) (string, error) {
	if target == "" {
		return "", errors.New("install: the target is empty; name a directory or a file, for instance --install /gate")
	}
	info, err := os.Stat(target)
	switch {
	case err == nil && info.IsDir():
		target = filepath.Join(target, name)
		info, err = os.Stat(target)
		if err == nil && info.IsDir() {
			return "", fmt.Errorf("install to %s: is a directory; remove it, or name another target", target)
		}
	case strings.HasSuffix(target, "/") && errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("install to %s: no such directory; mount a volume there, for instance an emptyDir", target)
	}
	switch {
	case err == nil && !info.Mode().IsRegular():
		return "", fmt.Errorf("install to %s: is neither a file nor a directory; name another target", target)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("install to %s: %w%s", target, err, remedy(err, filepath.Dir(target)))
	}
	return target, nil
}

func install(path string) (err error) {
	source, err := os.Open(running)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()

	next, err := begin(temporary(path))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(next.Name())
		}
		// The flock goes with it; what was written was reported by Sync.
		_ = next.Close()
	}()
	if _, err := io.Copy(next, source); err != nil {
		return err
	}
	if err := next.Chmod(mode); err != nil { // the umask
		return err
	}
	// A crash of the node must not leave the name with an empty file, and some
	// file systems only then notice that they are full.
	if err := next.Sync(); err != nil {
		return err
	}
	// A rename, as the target may be running (ETXTBSY).
	return os.Rename(next.Name(), path)
}

// remedy is what the user can do about err, "" where that is not known.
func remedy(err error, dir string) string {
	switch {
	case errors.Is(err, fs.ErrNotExist) && isDir(dir): // proc(5), for one, says so
		return fmt.Sprintf("; no file can be made in %s: name a directory of a volume, for instance an emptyDir", dir)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Sprintf("; there is no directory %s: mount a volume there, for instance an emptyDir", dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("; mount a volume that can be written at %s, for instance an emptyDir, and without readOnly", dir)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Sprintf("; the volume at %s has no room for the %s of this binary: raise its size (sizeLimit of an emptyDir)", dir, size())
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("; uid %d may not write to %s: mount an emptyDir there, or set fsGroup or runAsUser to suit the volume", os.Geteuid(), dir)
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// size is how much room the binary takes, for people.
func size() string {
	info, err := os.Stat(running)
	if err != nil {
		return "size"
	}
	return fmt.Sprintf("%d MiB", (info.Size()+1<<20-1)>>20)
}
