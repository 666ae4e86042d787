//go:build linux

package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
)

// Process is a command that was started. All methods may be called from any
// goroutine, any number of times, also after its end.
type Process struct {
	supervisor *Supervisor
	pid        int
	terminal   bool     // it was given the terminal
	output     *os.File // where an exec probe's output appears
	status     int      // written before exited is closed
	exited     chan struct{}

	// Covered by the supervisor's lock: whether the command has taken the place of
	// our program, and the signals that wait for that.
	inPlace bool
	waiting []syscall.Signal
}

// PID is the process's pid. Once Exited is closed it may belong to another.
func (p *Process) PID() int { return p.pid }

// Exited is closed when the command itself has ended and is reaped; its
// descendants may still run.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Status is the command's end as a shell tells it: its exit code, or 128+n for
// a death by signal n. It is -1 until Exited is closed.
func (p *Process) Status() int {
	select {
	case <-p.exited:
		return p.status
	default:
		return -1
	}
}

// Signal sends a signal to the command alone, not to its group. A command that
// has ended is no error. It never blocks: while the process is still our own
// program, which would not know what to do with it, the signal waits for the
// command. TERM, INT and HUP do not wait, as they end both alike; nor does KILL.
func (p *Process) Signal(sig syscall.Signal) error {
	if p.waits(sig) {
		return nil
	}
	err := p.kill(p.pid, sig)
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("send signal %d to the command (pid %d, uid %s): %w; %s", int(sig), p.pid, tree.UID(p.pid), err, killRemedy)
	}
	if err != nil {
		return fmt.Errorf("send signal %d to the command (pid %d): %w", int(sig), p.pid, err)
	}
	return nil
}

// Sweep kills all descendants of this process, whoever started them, and
// returns nil when it has seen that none is left. It tries until ctx ends, at
// least once, and returns then ErrAlive and which of them live, and
// ErrUnkillable where it was not permitted to kill one. From its start until
// the next Start no exec probe is spawned. Several may run at once.
//
// As PID 1 it kills by kill(-1), unless nothing is left to kill. That reaches
// also processes which do not descend from us but were put into our PID
// namespace from outside (kubectl exec, a debug container with a target, a
// kubelet's own exec probe): they die, and Sweep does not wait for them.
// Elsewhere it walks the tree of its descendants.
func (p *Process) Sweep(ctx context.Context) error { return p.supervisor.sweep(ctx) }

// waits reports whether the signal is kept for placed.
func (p *Process) waits(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL:
		return false
	}
	p.supervisor.mu.Lock()
	defer p.supervisor.mu.Unlock()
	if p.inPlace {
		return false
	}
	if !slices.Contains(p.waiting, sig) { // as the kernel does with what is pending
		p.waiting = append(p.waiting, sig)
	}
	return true
}

// placed sends what has waited.
func (p *Process) placed() {
	s := p.supervisor
	s.mu.Lock()
	defer s.mu.Unlock()
	p.inPlace = true
	for _, sig := range p.waiting {
		if s.children[p.pid] == p {
			// It has the rights of our own program still, or has just been it.
			_ = syscall.Kill(p.pid, sig)
		}
	}
	p.waiting = nil
}

// killGroup kills the process and its group, if it was not reaped: after that
// the group's number may be another's.
func (p *Process) killGroup() {
	// Whoever may not be killed here is met again, and named, by the sweep.
	_ = p.kill(-p.pid, syscall.SIGKILL)
}

// kill signals target, which is the process or its group, unless the process
// has been reaped.
func (p *Process) kill(target int, sig syscall.Signal) error {
	s := p.supervisor
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.children[p.pid] != p {
		return nil
	}
	return syscall.Kill(target, sig)
}
