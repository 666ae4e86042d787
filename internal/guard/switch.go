//go:build linux

package guard

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Name is what a process of this program is called (argv[0]) that stands guard:
// package self then calls Stand.
const Name = "k8s-await-election: guard"

// Switch is the gate's end of the dead-man's switch, and what its guards inherit:
// a page of memory that both see, and a pipe whose write end only the gate has.
// Its methods may be called from any goroutine. It needs no closing: both ends go
// with the gate.
type Switch struct {
	page   *page
	memory int
	pipe   int // the read end
}

// page is the shared memory.
type page struct {
	// until is an instant of CLOCK_BOOTTIME in nanoseconds.
	until atomic.Int64
	// command is the pid of the latest command, which leads its process group;
	// zero: not known yet.
	command atomic.Int64
}

// pageSize is a page's on every machine, or more than one.
const pageSize = 4096

// New makes a switch that nobody holds.
func New() (*Switch, error) {
	memory, err := unix.MemfdCreate("k8s-await-election guard", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make memory to share with the guard (memfd_create): %w; a seccomp profile must permit it", err)
	}
	if err := unix.Ftruncate(memory, pageSize); err != nil {
		return nil, fmt.Errorf("make memory to share with the guard: %w", err)
	}
	shared, err := share(memory, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return nil, err
	}
	var ends [2]int // the write end stays open, for nothing but to be closed by our end
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe to the guard: %w", err)
	}
	return &Switch{page: shared, memory: memory, pipe: ends[0]}, nil
}

// share maps the memory.
func share(memory, protection int) (*page, error) {
	bytes, err := unix.Mmap(memory, 0, pageSize, protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the memory shared with the guard: %w", err)
	}
	return (*page)(unsafe.Pointer(&bytes[0])), nil
}

// Hold moves the instant of CLOCK_BOOTTIME after which a guard kills. A switch
// that was never held has long been let go.
func (s *Switch) Hold(until time.Duration) { s.page.until.Store(int64(until)) }

// Until is the instant last given to Hold.
func (s *Switch) Until() time.Duration { return time.Duration(s.page.until.Load()) }

// Left is how long it is until then.
func (s *Switch) Left() time.Duration { return s.Until() - boottime() }

// Started tells the guard the pid of a command, which leads its process group.
func (s *Switch) Started(command int) { s.page.command.Store(int64(command)) }

// Argv is the argument vector of a guard, to be started from the gate's own file.
func (s *Switch) Argv() []string { return []string{Name, strconv.Itoa(os.Getpid())} }

// Files are the first descriptors of a guard. It closes all others.
func (s *Switch) Files() []uintptr {
	return []uintptr{uintptr(s.pipe), uintptr(s.memory), uintptr(unix.Stderr)}
}

// The descriptors of a guard, in the order of Files.
const (
	pipeFile   = 0
	memoryFile = 1
)

// Environ is the whole environment of a guard: as few threads and as little memory
// as Go can do with. The limit is for the case that it has to search /proc for
// hours.
func (s *Switch) Environ() []string {
	return []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=8MiB"}
}
