//go:build linux

package child

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

const stdin = 0

// ownsTerminal reports whether stdin is our controlling terminal with us in its
// foreground: only then is it ours to hand over.
func (s *Supervisor) ownsTerminal() bool {
	foreground, err := unix.IoctlGetInt(stdin, unix.TIOCGPGRP) // ENOTTY where it is not
	return err == nil && foreground == s.groups.Group
}

// takeTerminalBack puts us into the foreground again if the terminal is still
// with the group it was handed to, or with none that exists; otherwise a shell
// has given it to somebody else. Only to be called when the terminal was handed
// over: SIGTTOU is ignored since then, without which this would stop us.
func (s *Supervisor) takeTerminalBack(from int) {
	foreground, err := unix.IoctlGetInt(stdin, unix.TIOCGPGRP)
	if err != nil || foreground == s.groups.Group {
		return
	}
	if foreground != from && !errors.Is(syscall.Kill(-foreground, 0), syscall.ESRCH) {
		return
	}
	// A terminal that has hung up meanwhile is no loss.
	_ = unix.IoctlSetPointerInt(stdin, unix.TIOCSPGRP, s.groups.Group)
}
