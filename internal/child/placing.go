//go:build linux

package child

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// placing tells when a process of our own program has become the command: it has
// the write end of a pipe until then.
type placing struct {
	read  *os.File
	write int
}

// newPlacing makes the pipe. The spawner calls it directly
// before it forks, as nobody else may fork while the write end is open.
func newPlacing() (placing, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return placing{}, fmt.Errorf("make a pipe: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETFD, 0); err != nil {
		_ = syscall.Close(ends[0])
		_ = syscall.Close(ends[1])
		return placing{}, fmt.Errorf("make a pipe: %w", err)
	}
	return placing{read: os.NewFile(uintptr(ends[0]), "place of the command"), write: ends[1]}, nil
}

// until is the descriptor that the forked process inherits.
func (p placing) until() int { return p.write }

// forked is to be called after the fork, once.
func (p placing) forked() {
	_ = syscall.Close(p.write)
}

// drop is await for a process that was not made.
func (p placing) drop() {
	_ = p.read.Close()
}

// await returns when the process is the command, or has ended.
func (p placing) await() {
	_, _ = io.Copy(io.Discard, p.read)
	p.drop()
}
