package stage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ExecHold keeps processes inside execve(2) for as long as the test wants, as a
// file system does that has stopped answering. It holds up only files that it has
// itself made (fanotify(7), permission events).
type ExecHold struct {
	t      *testing.T
	group  *os.File
	opened chan *Execing
}

// Execing is a process that is about to become another program.
type Execing struct {
	// PID is the process's, outside of its namespace.
	PID int

	hold    *ExecHold
	process int // pidfd
	file    int32
}

// HoldExec makes a hold. It skips the test by its name where that is not
// permitted. When the test ends, whoever is held goes on.
func HoldExec(t *testing.T) *ExecHold {
	t.Helper()
	NeedRoot(t)
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		t.Skipf("%s needs fanotify's permission events: %v", t.Name(), err)
	}
	h := &ExecHold{t: t, group: os.NewFile(uintptr(fd), "fanotify"), opened: make(chan *Execing, 16)}
	// The kernel takes the end of the group for a yes to all that was asked.
	t.Cleanup(func() { _ = h.group.Close() })
	go h.read()
	return h
}

// Copy copies a program. Whoever executes the copy from now on is held.
func (h *ExecHold) Copy(program string) (path string) {
	h.t.Helper()
	path = filepath.Join(h.t.TempDir(), filepath.Base(program))
	// By another process: a descriptor of ours for writing might be inherited by
	// what other tests start meanwhile, and the copy could not be executed.
	if text, err := exec.Command("cp", program, path).CombinedOutput(); err != nil {
		h.t.Fatalf("copy %s: %v: %s", program, err, text)
	}
	connection, err := h.group.SyscallConn()
	if err != nil {
		h.t.Fatal(err)
	}
	var refused error
	err = connection.Control(func(fd uintptr) {
		refused = unix.FanotifyMark(int(fd), unix.FAN_MARK_ADD, unix.FAN_OPEN_EXEC_PERM, unix.AT_FDCWD, path)
	})
	if errors.Is(refused, unix.EINVAL) {
		h.t.Skipf("%s needs fanotify's permission events: mark %s: %v", h.t.Name(), path, refused)
	}
	if err := errors.Join(err, refused); err != nil {
		h.t.Fatalf("mark %s: %v", path, err)
	}
	return path
}

// read passes on who asks, until the group is closed.
func (h *ExecHold) read() {
	const size = int(unsafe.Sizeof(unix.FanotifyEventMetadata{}))
	buffer := make([]byte, 16*size)
	for {
		n, err := h.group.Read(buffer)
		if err != nil {
			return
		}
		for rest := buffer[:n]; len(rest) >= size; {
			var event unix.FanotifyEventMetadata
			if _, err := binary.Decode(rest, binary.NativeEndian, &event); err != nil {
				return
			}
			rest = rest[event.Event_len:]
			process, err := unix.PidfdOpen(int(event.Pid), 0)
			if err != nil {
				process = -1 // killed meanwhile
			}
			h.opened <- &Execing{PID: int(event.Pid), hold: h, process: process, file: event.Fd}
		}
	}
}

// Await waits for the next process that is held.
func (h *ExecHold) Await() *Execing {
	h.t.Helper()
	select {
	case e := <-h.opened:
		h.t.Cleanup(func() {
			_ = unix.Close(e.process)
			_ = unix.Close(int(e.file))
		})
		return e
	case <-time.After(patience):
		h.t.Fatal("nobody executes what is held")
	}
	panic("not reached")
}

// Ended tells whether the process is dead: nothing of its program runs any more,
// though perhaps nobody has waited for it yet.
func (e *Execing) Ended() bool {
	poll := []unix.PollFd{{Fd: int32(e.process), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, 0)
		if !errors.Is(err, unix.EINTR) {
			return e.process < 0 || err == nil && n == 1
		}
	}
}

// Allow lets the process become the program.
func (e *Execing) Allow() error {
	connection, err := e.hold.group.SyscallConn()
	if err != nil {
		return err
	}
	answer := binary.NativeEndian.AppendUint32(nil, uint32(e.file))
	answer = binary.NativeEndian.AppendUint32(answer, unix.FAN_ALLOW)
	var failed error
	err = connection.Write(func(fd uintptr) bool {
		_, failed = unix.Write(int(fd), answer)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("let process %d go on: %w", e.PID, err)
	}
	return nil
}
