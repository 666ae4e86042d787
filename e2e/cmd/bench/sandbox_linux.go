package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// sandboxCommand is the first argument by which this program, started in new
// namespaces, is told to furnish them and to become the replica:
//
//	bench sandbox RUN_DIRECTORY COMMAND ARG…
const sandboxCommand = "sandbox"

// sandboxed returns the command line as PID 1 of a PID namespace of its own,
// with a /proc that shows nothing else, and runDirectory in the place of
// /var/run. Root needs no more; anybody else gets a user namespace as well.
func sandboxed(self, runDirectory string, command []string) *exec.Cmd {
	cmd := exec.Command(self, append([]string{sandboxCommand, runDirectory}, command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // Ctrl-C reaches the benchmark alone
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// enterSandbox furnishes the namespaces it has been started in and replaces
// itself by the command. It returns only if that fails.
func enterSandbox(arguments []string) error {
	if len(arguments) < 2 || os.Getpid() != 1 {
		return errors.New("the benchmark calls this itself, in new namespaces")
	}
	// The parent-death signal belongs to the thread, and execve keeps it. With
	// PID 1 the kernel ends the whole namespace.
	runtime.LockOSThread()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0); errno != 0 {
		return fmt.Errorf("set the parent-death signal: %w", errno)
	}
	run, err := filepath.EvalSymlinks("/var/run")
	if err != nil {
		return fmt.Errorf("find /var/run: %w", err)
	}
	for _, mount := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		{arguments[0], run, "", syscall.MS_BIND},
		{"proc", "/proc", "proc", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC},
	} {
		if err := syscall.Mount(mount.source, mount.target, mount.kind, mount.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w: run the benchmark as root", mount.target, err)
		}
	}
	path, err := exec.LookPath(arguments[1])
	if err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", path, syscall.Exec(path, arguments[1:], os.Environ()))
}
