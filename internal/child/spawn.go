//go:build linux

package child

import (
	"context"
	"errors"
	"math"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/guard"
)

// spawn is one request to the spawner.
type spawn struct {
	argv []string
	env  []string
	kind kind
	// guarded is the dead-man's switch of the command and its guards.
	guarded *guard.Switch
	// unguarded is told when the command can have a guard no more.
	unguarded func(error)
	// may is asked directly before the fork. Nil: yes.
	may   func() bool
	reply chan<- spawned // cap 1
}

// kind is what a process is spawned for.
type kind int

const (
	aProbe kind = iota
	theCommand
	aGuard
)

// permitted asks may.
func (s spawn) permitted() bool { return s.may == nil || s.may() }

type spawned struct {
	process *Process
	err     error
}

// spawner forks all children, from one thread that lives as long as the
// process: the parent-death signal is sent when the *thread* that forked ends
// (prctl(2)), and Go ends threads as it likes unless a goroutine is locked to
// them. It is not the reaper's goroutine, so that reaping and killing go on
// whatever a fork takes.
func (s *Supervisor) spawner() {
	runtime.LockOSThread()
	for request := range s.spawns {
		process, err := s.fork(request)
		request.reply <- spawned{process, err}
	}
}

// spawn hands a request to the spawner and returns its answer, or the reason
// for which ctx has ended. A process that appears after that is killed.
func (s *Supervisor) spawn(ctx context.Context, request spawn) (*Process, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	reply := make(chan spawned, 1)
	request.reply = reply
	select {
	case s.spawns <- request:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case answer := <-reply:
		return answer.process, answer.err
	case <-ctx.Done():
		go func() { // lives as long as the fork takes
			if answer := <-reply; answer.err == nil {
				answer.process.killGroup()
				if output := answer.process.output; output != nil {
					_ = output.Close()
				}
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// admit decides under the lock, directly before the fork, whether there may be
// a new process. A sweep that starts later waits for the fork to be over.
func (s *Supervisor) admit(request spawn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !request.permitted():
		return ErrTooLate
	case request.kind == theCommand && (s.sweeping > 0 || s.unproven):
		return ErrNotSwept
	case request.kind != theCommand && !s.open, request.kind == aGuard && s.guard != 0:
		return ErrSweeping
	}
	s.spawning++
	return nil
}

// fork spawns what is asked for.
func (s *Supervisor) fork(request spawn) (*Process, error) {
	switch request.kind {
	case theCommand:
		return s.forkCommand(request)
	case aGuard:
		return s.forkGuard(request.guarded)
	default:
		return s.forkProbe(request)
	}
}

// forkCommand spawns the command, and its guard: what was spawned becomes the
// command only when it is told that the guard is there. So there is no moment at
// which the command runs and nobody but us could end it, and its start does not
// wait for that of the guard: two processes that start take the time of one.
func (s *Supervisor) forkCommand(request spawn) (*Process, error) {
	placing, err := newPlacing()
	if err != nil {
		return nil, err
	}
	attr := s.attr(request.env, []uintptr{0, 1, 2})
	attr.Sys.Foreground = s.ownsTerminal()
	argv := command.Becoming(placing.theirs, request.guarded.Until(), request.argv)
	p, err := s.enter(request, argv, attr)
	placing.forked()
	if err != nil {
		placing.drop()
		return nil, err
	}
	request.guarded.Started(p.pid)
	g, err := s.forkGuard(request.guarded)
	if err != nil {
		placing.drop() // it ends by that
		return nil, err
	}
	placing.permit()
	go func() {
		placing.await()
		p.placed()
	}()
	go s.keepGuard(g, request)
	return p, nil
}

// forkProbe spawns an exec probe.
func (s *Supervisor) forkProbe(request spawn) (*Process, error) {
	files, closeFiles, output, err := probeFiles()
	if err != nil {
		return nil, err
	}
	defer closeFiles()
	// For as long as it runs at all it may: no placing, no instant.
	argv := command.Becoming(-1, never, request.argv)
	p, err := s.enter(request, argv, s.attr(request.env, files))
	if err != nil {
		_ = output.Close()
		return nil, err
	}
	p.output = output
	return p, nil
}

// attr is how commands and probes are forked.
func (s *Supervisor) attr(env []string, files []uintptr) *syscall.ProcAttr {
	attr := &syscall.ProcAttr{Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true}}
	if !s.isInit {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	return attr
}

// enter forks and takes the child into the table before the reaper can see it.
func (s *Supervisor) enter(request spawn, argv []string, attr *syscall.ProcAttr) (*Process, error) {
	if err := s.admit(request); err != nil {
		return nil, err
	}
	pid, err := forkExec(argv, attr)
	if err != nil && attr.Sys.Foreground && request.permitted() {
		// Handing the terminal over may have been what failed: the command
		// matters more than its terminal.
		s.takeTerminalBack(0)
		attr.Sys.Foreground = false
		pid, err = forkExec(argv, attr)
	}

	s.mu.Lock()
	defer s.poke() // its SIGCHLD may have come before it was in the table
	defer s.mu.Unlock()
	s.spawning--
	if err != nil {
		return nil, command.NoProcess(err)
	}
	p := &Process{supervisor: s, pid: pid, exited: make(chan struct{}), terminal: attr.Sys.Foreground}
	s.children[pid] = p
	switch request.kind {
	case aGuard:
		s.guard = pid
	case theCommand:
		s.open = true
		s.groups.Command = pid
		s.handedOver = p.terminal
		s.unproven = true
	default:
		s.unproven = true
	}
	return p, nil
}

// program is this program's own file, whatever has become of its name.
const program = "/proc/self/exe"

// forkExec forks this program again, which becomes the command by itself, with
// the terminal handed over, or not. Loading a program may take any time on a
// file system that has stopped answering, and ForkExec waits for that without
// letting go of the runtime (CLONE_VFORK): the whole gate, and with it the kill
// at the deadline, would stand still. Our own file is in memory, as we run it.
func forkExec(argv []string, attr *syscall.ProcAttr) (int, error) {
	attr.Sys.Ctty = stdin
	if attr.Sys.Foreground {
		// From here on the gate writes its log from the background, which under
		// `stty tostop` would stop it, and a gate that stands still cannot keep
		// its promise: SIGTTOU is ignored. The command must not inherit that;
		// what is caught during the fork is default after the exec.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGTTOU)
		defer signal.Ignore(syscall.SIGTTOU)
	}
	return syscall.ForkExec(program, argv, attr)
}

// never is an instant that no clock reaches.
const never = math.MaxInt64

// Command is a command line to be started, each time anew.
type Command struct {
	supervisor *Supervisor
	argv       []string
	guarded    *guard.Switch
	unguarded  func(error)
}

// Command returns the command line argv, whose first element is looked up in
// PATH at each start. While it runs it has a guard with the switch `guarded`,
// which must be held. Where that guard ends, and no other can be started until
// the switch is due, unguarded is called with ErrUnguarded, once: the gate is the
// only one left then that could end the command, and should stop it in good order.
func (s *Supervisor) Command(argv []string, guarded *guard.Switch, unguarded func(error)) *Command {
	return &Command{supervisor: s, argv: argv, guarded: guarded, unguarded: unguarded}
}

// Start spawns the command, in a process group of its own and in the terminal's
// foreground where stdin is our terminal, with our environment, to which
// `extra` ("KEY=value") is added; a key of extra replaces ours. It returns when
// the process exists, and with it a guard. A command that cannot be run ends it
// with the status 127 or 126 (see command.ExitStatus), after it has said why on
// stderr. ErrNotSwept: what was started before is not proven dead. ErrTooLate:
// may, which is asked directly before the fork, said no.
func (c *Command) Start(extra []string, may func() bool) (*Process, error) {
	if len(c.argv) == 0 {
		return nil, errors.New("start command: its command line is empty")
	}
	return c.supervisor.spawn(context.Background(), spawn{
		kind:      theCommand,
		argv:      c.argv,
		env:       merge(os.Environ(), extra),
		may:       may,
		guarded:   c.guarded,
		unguarded: c.unguarded,
	})
}
