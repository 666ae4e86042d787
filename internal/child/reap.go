//go:build linux

package child

import (
	"errors"
	"syscall"
)

// reaper is the one goroutine that calls wait4. It does not block in wait4 but
// sleeps until SIGCHLD. A blocking wait4 would free a pid outside the lock, so
// that a kill could hit its next owner; it returns at once when there is no
// child, so that something else would have to wake it; and nothing could end it.
// SIGCHLD may be merged, but is sent after the child became waitable and each
// wake-up reaps all there is.
func (s *Supervisor) reaper() {
	for {
		select {
		case <-s.sigchld:
			s.reap()
		case <-s.wake:
			s.reap()
		case reply := <-s.passes:
			reply <- s.reap()
		}
	}
}

// poke makes the reaper look again.
func (s *Supervisor) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it is going to look
	}
}

// pass has the reaper look now, and reports whether no child is left.
func (s *Supervisor) pass() bool {
	reply := make(chan bool, 1)
	s.passes <- reply
	return <-reply
}

// reap collects all children that have ended, and reports whether none is left.
// Only the reaper calls it.
func (s *Supervisor) reap() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spawning > 0 {
		// A child whose pid is not known yet may have ended already, or failed
		// to exec, and then ForkExec waits for it: leave it alone. The orphans
		// can wait until the spawn is over.
		for pid := range s.children {
			if got, status, _ := wait(pid); got == pid {
				s.ended(pid, status)
			}
		}
		return false
	}
	for {
		pid, status, err := wait(-1)
		if errors.Is(err, syscall.ECHILD) {
			return true
		}
		if err != nil || pid == 0 {
			return false
		}
		s.ended(pid, status)
	}
}

// wait is wait4 without waiting. __WALL includes children that would tell of
// their end by another signal than SIGCHLD (clone(2)).
func wait(pid int) (int, syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG|syscall.WALL, nil)
		if !errors.Is(err, syscall.EINTR) {
			return got, status, err
		}
	}
}

// ended takes note of a reaped child. The lock is held.
func (s *Supervisor) ended(pid int, status syscall.WaitStatus) {
	if s.reaped != nil {
		close(s.reaped)
		s.reaped = nil
	}
	p, ours := s.children[pid]
	if !ours {
		return // an orphan
	}
	delete(s.children, pid)
	if pid == s.guard {
		s.guard = 0
	}
	p.status = shellStatus(status)
	if p.terminal {
		s.takeTerminalBack(pid)
	}
	close(p.exited)
}

// nextDeath returns a channel that is closed when the next child is reaped.
func (s *Supervisor) nextDeath() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reaped == nil {
		s.reaped = make(chan struct{})
	}
	return s.reaped
}

// shellStatus is a shell's $?: the exit code, or 128+n for a death by signal n.
func shellStatus(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
