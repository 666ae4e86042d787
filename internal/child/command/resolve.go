//go:build linux

// Package command finds the program that a command line means and becomes it, as
// a shell does. Package child starts commands by it in a process of their own,
// package app in its own place.
package command

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotFound: there is no such command.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable: the command is there but cannot be run.
	ErrNotExecutable = errors.New("command not executable")
)

// ExitStatus is what a shell exits with when a command could not be started:
// 127 if it was not found, 126 if it was found and could not be run (POSIX,
// 2.8.2). 1 for any other error: the fault is not the command's.
func ExitStatus(err error) int {
	switch {
	case errors.Is(err, ErrNotFound):
		return 127
	case errors.Is(err, ErrNotExecutable):
		return 126
	default:
		return 1
	}
}

// defaultPath is searched where PATH is not set at all, as by execvp(3).
const defaultPath = "/bin:/usr/bin"

// Resolve returns the file that the command `name` means, by the rules of
// execvp(3): a name with a slash is the file itself, otherwise the directories
// of PATH in env are searched, an empty one meaning the current directory. What
// is found there but may not be executed is passed over, and reported if
// nothing better follows. The error is ErrNotFound or ErrNotExecutable.
//
// Unlike os/exec it takes a program from the current directory if PATH says so:
// it is the user's own PATH, and exec itself would do it.
func Resolve(name string, env []string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: its name is empty", ErrNotFound)
	}
	if strings.Contains(name, "/") {
		info, err := os.Stat(name)
		if err == nil {
			err = runnable(name, info)
		}
		if err != nil {
			return "", explainExec(name, err)
		}
		return name, nil
	}
	path, set := lookup(env, "PATH")
	if !set {
		path = defaultPath
	}
	var refused error
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name // not filepath.Join: it would turn ./x into x
		info, err := os.Stat(file)
		if err != nil {
			// Also a directory that we may not search, like another user's: as
			// for a shell, that is no sign of the command being in it.
			continue
		}
		if err = runnable(file, info); err == nil {
			return file, nil
		}
		if refused == nil {
			refused = explainExec(file, err)
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", fmt.Errorf("%w: no directory of PATH has %s; give its full path, or add its directory to PATH", ErrNotFound, name)
}

// runnable reports why a file that is there could not be executed.
func runnable(file string, info os.FileInfo) error {
	if info.IsDir() {
		return syscall.EISDIR
	}
	err := unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EPERM) {
		// No such call, or a seccomp filter that refuses what it does not know:
		// leave it to exec.
		return nil
	}
	return err
}

// explainExec tells what a failed look-up or exec of a file means and what helps.
func explainExec(file string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("start %s: %w", file, err)
	}
	switch errno {
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE:
		return fmt.Errorf("start %s: %w", file, NoProcess(errno))
	case syscall.ENOENT, syscall.ENOTDIR:
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNotFound, file, errno)
		}
		return fmt.Errorf("%w: %s is there, but not the interpreter (#! line) or dynamic loader that it names; was it made for another image?", ErrNotExecutable, file)
	case syscall.EISDIR:
		return fmt.Errorf("%w: %s is a directory", ErrNotExecutable, file)
	case syscall.ENOEXEC:
		return fmt.Errorf("%w: %s is neither a program for this machine (%s) nor a script whose first line names its interpreter; let it begin with #!/bin/sh, or start it as: sh %s",
			ErrNotExecutable, file, runtime.GOARCH, file)
	case syscall.EACCES:
		return fmt.Errorf("%w: %s: %w; chmod +x helps, unless its volume is mounted noexec or a directory above is closed", ErrNotExecutable, file, errno)
	default:
		return fmt.Errorf("%w: %s: %w", ErrNotExecutable, file, errno)
	}
}

// NoProcess tells what a failed fork means and what helps.
func NoProcess(err error) error {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return fmt.Errorf("start a process: %w; a limit is reached: pids, memory or open files", err)
	}
	return fmt.Errorf("start a process: %w", err)
}

// Exec replaces this process by the command (execve(2)), which keeps its pid,
// descriptors and environment. It returns only to report why it could not:
// ErrNotFound, ErrNotExecutable.
func Exec(argv, env []string) error {
	if len(argv) == 0 {
		return errors.New("execute command: its command line is empty")
	}
	path, err := Resolve(argv[0], env)
	if err != nil {
		return err
	}
	return explainExec(path, syscall.Exec(path, argv, env))
}

// lookup returns the value of a variable in env, the first one as getenv(3)
// does.
func lookup(env []string, key string) (string, bool) {
	for _, entry := range env {
		if name, value, found := strings.Cut(entry, "="); found && name == key {
			return value, true
		}
	}
	return "", false
}
