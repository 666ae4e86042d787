//go:build linux

package child

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// placing is a socket between us and a process of our own program that is to become
// the command. It is told by it that it may, and is closed by having become it.
type placing struct {
	ours   *os.File
	theirs int
}

// newPlacing makes the socket. The spawner calls it directly before it forks, as
// nobody else may fork while their end is open.
func newPlacing() (placing, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return placing{}, fmt.Errorf("make a socket: %w", err)
	}
	err = syscall.SetNonblock(ends[0], true)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(ends[1]), unix.F_SETFD, 0)
	}
	if err != nil {
		_ = syscall.Close(ends[0])
		_ = syscall.Close(ends[1])
		return placing{}, fmt.Errorf("make a socket: %w", err)
	}
	return placing{ours: os.NewFile(uintptr(ends[0]), "place of the command"), theirs: ends[1]}, nil
}

// forked is to be called after the fork, once.
func (p placing) forked() { _ = syscall.Close(p.theirs) }

// permit has the process become the command.
func (p placing) permit() {
	_, _ = p.ours.Write([]byte{1}) // fails where it has ended
}

// drop is for a process that was not made, or ends the one that was not permitted.
func (p placing) drop() { _ = p.ours.Close() }

// await returns when the process is the command, or has ended.
func (p placing) await() {
	_, _ = io.Copy(io.Discard, p.ours)
	p.drop()
}
