//go:build linux

package child

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
)

var (
	// ErrSweeping: exec probes run only between a Start and the next Sweep, so
	// that nothing new appears once death is being proven.
	ErrSweeping = errors.New("no command is running")
	// ErrTooLate: the caller no longer permitted the start.
	ErrTooLate = errors.New("too late to start the command")
	// ErrNotSwept: a command may be started only when Sweep has proven that the
	// one before, and all it had started, is gone.
	ErrNotSwept = errors.New("the processes of the command before are not proven dead")
)

// Supervisor is this process in its part as a parent. There may be one per
// process, as it reaps every child, and so nothing else in the process may wait
// for one: no os/exec, no os.Process.Wait. It needs no closing. All methods may
// be called from any goroutine.
type Supervisor struct {
	log *slog.Logger
	// isInit: PID 1 of its PID namespace.
	isInit bool
	self   int // our pid

	spawns  chan spawn
	sigchld chan os.Signal
	wake    chan struct{}    // cap 1: reap soon
	passes  chan chan<- bool // reap now, and say whether no child is left

	// mu covers what follows, every wait4 and every kill of a child: while it
	// is held, a child in the table is not reaped, so its pid is its own. It is
	// never held over anything that can block.
	mu sync.Mutex
	// children are those we have spawned and not reaped, by pid.
	children map[int]*Process
	// guard is the pid of the command's guard, which is in children too; zero:
	// there is none.
	guard int
	// spawning counts forks whose pid is not yet in children.
	spawning int
	// sweeping counts running sweeps.
	sweeping int
	// open: exec probes may be spawned.
	open bool
	// unproven: something was spawned since the last successful sweep.
	unproven bool
	// groups are those that are killed as one.
	groups tree.Groups
	// handedOver: the latest command was given the terminal.
	handedOver bool
	// reaped, where not nil, is closed at the next death of a child.
	reaped chan struct{}
}

// New makes this process the parent of all its orphaned descendants, a
// subreaper where it is not PID 1, and starts reaping: also children that the
// process had before an execve(2) made it a gate. It catches SIGCHLD, and
// SIGPIPE to drop it: else a broken log pipe would end the gate and leave its
// child behind.
func New(log *slog.Logger) (*Supervisor, error) {
	s := &Supervisor{
		log:      log,
		self:     os.Getpid(),
		isInit:   os.Getpid() == 1,
		spawns:   make(chan spawn),
		sigchld:  make(chan os.Signal, 1), // one is enough: each wake-up reaps all there is
		wake:     make(chan struct{}, 1),
		passes:   make(chan chan<- bool),
		children: make(map[int]*Process),
	}
	var err error
	if s.groups, err = tree.GroupsOf(s.self, 0); err != nil {
		return nil, fmt.Errorf("read own process group and session: %w", err)
	}
	if !s.isInit {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("become subreaper for orphaned processes (prctl PR_SET_CHILD_SUBREAPER): %w", err)
		}
		log.Warn("not PID 1: if this process is killed by SIGKILL or by the memory limit, nobody kills what the command has started,"+
			" and it may run on beside its successor; make this program the container's entrypoint, without shareProcessNamespace, hostPID or another init before it",
			"pid", s.self)
	}
	signal.Notify(s.sigchld, syscall.SIGCHLD)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go s.reaper()
	go s.spawner()
	s.poke() // for those who died before SIGCHLD was caught
	return s, nil
}
