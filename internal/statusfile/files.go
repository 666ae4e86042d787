package statusfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// mode lets every container of the Pod read the files, whoever it runs as.
const mode = 0o644

// noFiles is the sign of a claim that nobody can read.
type noFiles struct{}

func (noFiles) raise(_ string, may func() bool) error {
	if !may() {
		return errLate
	}
	return nil
}
func (noFiles) touch() error        { return nil }
func (noFiles) lower() error        { return nil }
func (noFiles) shown() bool         { return false }
func (noFiles) follow(string) error { return nil }

// files are the leader file and, in a directory of their own, the follower file.
// Each operation begins at the directory's path: it may be removed and made again
// by others.
type files struct {
	folder           string
	leader, follower string // names in it; no follower: the folder is not ours
}

// file is the form of a file alone.
func file(path string) files {
	return files{folder: filepath.Dir(path), leader: filepath.Base(path)}
}

// directory is the form of a directory with one of two files.
func directory(path string) files {
	return files{folder: path, leader: "leader", follower: "follower"}
}

// prepare removes a leader file and sees that one could be written.
func (f files) prepare(identity string) error {
	if err := f.lower(); err != nil {
		return fmt.Errorf("a leader file may be left from a former container: %w", err)
	}
	err := f.in(func(folder int) error {
		if err := f.write(folder, f.leader, identity); err != nil {
			return err
		}
		return f.failed("remove", temporary(f.leader), unix.Unlinkat(folder, temporary(f.leader), 0))
	})
	if err != nil {
		return err
	}
	return f.follow(identity)
}

// raise implements sign.
func (f files) raise(text string, may func() bool) error {
	return f.in(func(folder int) error {
		if err := f.write(folder, f.leader, text); err != nil {
			return err
		}
		err := f.remove(folder, f.follower)
		if err == nil && !may() {
			err = errLate
		}
		if err == nil {
			err = f.show(folder, f.leader)
		}
		if err != nil {
			_ = unix.Unlinkat(folder, temporary(f.leader), 0) // the next one removes it else
		}
		return err
	})
}

// touch implements sign.
func (f files) touch() error {
	return f.in(func(folder int) error { return f.stamp(folder, f.leader) })
}

// lower implements sign. It makes no folder: where there is none, there is no file.
func (f files) lower() error {
	folder, err := f.open()
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return f.with(folder, err, func(folder int) error { return f.remove(folder, f.leader) })
}

// shown implements sign.
func (f files) shown() bool {
	return unix.Lstat(filepath.Join(f.folder, f.leader), &unix.Stat_t{}) == nil
}

// follow implements sign.
func (f files) follow(text string) error {
	if f.follower == "" {
		return nil
	}
	return f.in(func(folder int) error {
		if f.stamp(folder, f.follower) == nil {
			return nil
		}
		if err := f.write(folder, f.follower, text); err != nil {
			return err
		}
		return f.show(folder, f.follower)
	})
}

// in does something in the folder, which is made first where it is ours.
func (f files) in(do func(folder int) error) error {
	folder, err := f.open()
	if errors.Is(err, syscall.ENOENT) && f.follower != "" {
		if err = makeFolder(f.folder); err == nil {
			folder, err = f.open()
		}
	}
	return f.with(folder, err, do)
}

// open opens the folder. One of ours that is a symbolic link is refused.
func (f files) open() (folder int, err error) {
	flags := unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	if f.follower != "" {
		flags |= unix.O_NOFOLLOW
	}
	return unix.Open(f.folder, flags, 0)
}

// with does something in a folder, if it could be opened, and closes it.
func (f files) with(folder int, opened error, do func(folder int) error) error {
	if opened != nil {
		return f.failed("open", "", opened)
	}
	defer func() { _ = unix.Close(folder) }()
	return do(folder)
}

// makeFolder makes a directory, and those above it that are missing, so that every
// container of the Pod can look into them, whatever the umask.
func makeFolder(path string) error {
	err := os.Mkdir(path, 0o755)
	if parent := filepath.Dir(path); errors.Is(err, syscall.ENOENT) && parent != path {
		if err = makeFolder(parent); err == nil {
			err = os.Mkdir(path, 0o755)
		}
	}
	switch {
	case errors.Is(err, syscall.EEXIST): // somebody else's, made meanwhile
		return nil
	case err != nil:
		return err
	}
	made, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fchmod(made, 0o755), unix.Close(made))
}

// temporary is the name under which a file is written. It is always the same, so
// that killed containers leave one at most.
func temporary(name string) string { return "." + name + ".new" }

// write writes the text under the temporary name, into a file of its own.
func (f files) write(folder int, name, text string) error {
	name = temporary(name)
	if err := f.remove(folder, name); err != nil {
		return err
	}
	fd, err := unix.Openat(folder, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
	if err != nil {
		return f.failed("create", name, err)
	}
	file := os.NewFile(uintptr(fd), filepath.Join(f.folder, name))
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Chmod(mode) // whatever the umask
	}
	if err := errors.Join(err, file.Close()); err != nil {
		_ = unix.Unlinkat(folder, name, 0)
		return f.failed("write", name, err)
	}
	return nil
}

// show makes visible what was written.
func (f files) show(folder int, name string) error {
	return f.failed("rename to", name, unix.Renameat(folder, temporary(name), folder, name))
}

// stamp sets the time of a file that is there.
func (f files) stamp(folder int, name string) error {
	return f.failed("touch", name, unix.UtimesNanoAt(folder, name, nil, unix.AT_SYMLINK_NOFOLLOW))
}

// remove removes a file, if it is there. Where nothing can be removed, as on a file
// system that has become read-only, it looks whether there is one.
func (f files) remove(folder int, name string) error {
	if name == "" {
		return nil
	}
	err := unix.Unlinkat(folder, name, 0)
	if err != nil && errors.Is(unix.Fstatat(folder, name, &unix.Stat_t{}, unix.AT_SYMLINK_NOFOLLOW), syscall.ENOENT) {
		return nil
	}
	return f.failed("remove", name, err)
}

// failed names the operation, the path and what to do.
func (f files) failed(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err // the path is named here
	}
	return fmt.Errorf("%s %s: %w%s", operation, filepath.Join(f.folder, name), err, remedy(err))
}

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return ": let the container's user write there, for a volume by the Pod's securityContext.fsGroup"
	case errors.Is(err, syscall.EROFS):
		return ": mount a volume there, such as an emptyDir, without readOnly"
	case errors.Is(err, syscall.ENOENT):
		return ": make the directory, or mount a volume there, such as an emptyDir"
	case errors.Is(err, syscall.EISDIR):
		return ": there is a directory of this name: remove it, or name a file in it"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return ": it must be a directory, and no symbolic link to one"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ": make room there"
	}
	return ""
}
