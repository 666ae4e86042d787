//go:build linux

package child

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
)

// spawn is one request to the spawner.
type spawn struct {
	argv []string
	env  []string
	// command tells the command itself from an exec probe.
	command bool
	// may is asked directly before the fork. Nil: yes.
	may   func() bool
	reply chan<- spawned // cap 1
}

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
	case request.command && (s.sweeping > 0 || s.unproven):
		return ErrNotSwept
	case !request.command && !s.open:
		return ErrSweeping
	}
	s.spawning++
	return nil
}

// fork spawns one process and enters it into the table before the reaper can
// see it.
func (s *Supervisor) fork(request spawn) (*Process, error) {
	files := []uintptr{0, 1, 2}
	var output *os.File
	if !request.command {
		var closeFiles func()
		var err error
		if files, closeFiles, output, err = probeFiles(); err != nil {
			return nil, err
		}
		defer closeFiles()
	}
	p, err := s.enter(request, files)
	if err != nil {
		if output != nil {
			_ = output.Close()
		}
		return nil, err
	}
	p.output = output
	return p, nil
}

// enter forks and takes the child into the table.
func (s *Supervisor) enter(request spawn, files []uintptr) (*Process, error) {
	if err := s.admit(request); err != nil {
		return nil, err
	}
	attr := &syscall.ProcAttr{
		Env:   request.env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	if !s.isInit {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	terminal := request.command && s.ownsTerminal()
	placing, err := newPlacing(request.command)
	if err != nil {
		s.mu.Lock()
		s.spawning--
		s.mu.Unlock()
		return nil, err
	}
	argv := command.Becoming(placing.until(), request.argv)
	pid, err := forkExec(argv, attr, terminal)
	if err != nil && terminal && request.permitted() {
		// Handing the terminal over may have been what failed: the command
		// matters more than its terminal.
		s.takeTerminalBack(0)
		terminal = false
		pid, err = forkExec(argv, attr, terminal)
	}

	placing.forked()

	s.mu.Lock()
	defer s.poke() // its SIGCHLD may have come before it was in the table
	defer s.mu.Unlock()
	s.spawning--
	if err != nil {
		placing.drop()
		return nil, command.NoProcess(err)
	}
	p := &Process{supervisor: s, pid: pid, exited: make(chan struct{}), terminal: terminal}
	s.children[pid] = p
	s.unproven = true
	if request.command {
		s.open = true
		s.commandGroup = pid
		s.handedOver = terminal
		go func() {
			placing.await()
			p.placed()
		}()
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
func forkExec(argv []string, attr *syscall.ProcAttr, terminal bool) (int, error) {
	attr.Sys.Foreground = terminal
	attr.Sys.Ctty = stdin
	if terminal {
		// From here on the gate writes its log from the background, which under
		// `stty tostop` would stop it, and a gate that stands still cannot keep
		// its promise: SIGTTOU is ignored. The command must not inherit that;
		// what is caught during the fork is default after the exec.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGTTOU)
		defer signal.Ignore(syscall.SIGTTOU)
	}
	return syscall.ForkExec(program, argv, attr)
}

// Command is a command line to be started, each time anew.
type Command struct {
	supervisor *Supervisor
	argv       []string
}

// Command returns the command line argv, whose first element is looked up in
// PATH at each start.
func (s *Supervisor) Command(argv []string) *Command {
	return &Command{supervisor: s, argv: argv}
}

// Start spawns the command, in a process group of its own and in the terminal's
// foreground where stdin is our terminal, with our environment, to which
// `extra` ("KEY=value") is added; a key of extra replaces ours. It returns when
// the process exists. A command that cannot be run ends it with the status 127
// or 126 (see command.ExitStatus), after it has said why on stderr. ErrNotSwept: what was
// started before is not proven dead. ErrTooLate: may, which is asked directly
// before the fork, said no.
func (c *Command) Start(extra []string, may func() bool) (*Process, error) {
	if len(c.argv) == 0 {
		return nil, errors.New("start command: its command line is empty")
	}
	return c.supervisor.spawn(context.Background(), spawn{
		argv:    c.argv,
		env:     merge(os.Environ(), extra),
		command: true,
		may:     may,
	})
}
