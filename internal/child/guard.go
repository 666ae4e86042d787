//go:build linux

package child

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
	"github.com/k8s-await-election/k8s-await-election/internal/guard"
	_ "github.com/k8s-await-election/k8s-await-election/internal/self" // what is started from our own file
)

// ErrUnguarded: the command's guard has ended and no other could be started.
var ErrUnguarded = errors.New("the command has no guard")

// forkGuard spawns a guard. It is in a session of its own: neither the command's
// nor the terminal's signals reach it, nor those that somebody sends to our group.
func (s *Supervisor) forkGuard(guarded *guard.Switch) (*Process, error) {
	p, err := s.enter(spawn{kind: aGuard}, guarded.Argv(), &syscall.ProcAttr{
		Env:   guarded.Environ(),
		Files: guarded.Files(),
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, fmt.Errorf("start the command's guard: %w", err)
	}
	return p, nil
}

// stood is how long a guard must have lived to count as one that stood.
const stood = time.Second

// keepGuard sees to it that the command has a guard until it is swept up.
func (s *Supervisor) keepGuard(g *Process, request spawn) {
	var alone time.Time        // since when no guard has stood; zero: one does
	var patience time.Duration // for which the gate may be believed to go on
	var pause time.Duration
	for {
		started := time.Now()
		<-g.exited
		if time.Since(started) >= stood {
			alone = time.Time{}
		}
		if alone.IsZero() {
			alone, patience, pause = time.Now(), request.guarded.Left(), 0
		}
		status := g.Status()
		var err error
		for again := true; again; again = err != nil {
			time.Sleep(pause)
			pause = min(max(2*pause, firstPause), lastPause)
			g, err = s.spawn(context.Background(), spawn{kind: aGuard, guarded: request.guarded})
			if errors.Is(err, ErrSweeping) {
				return
			}
			if time.Since(alone) >= patience {
				request.unguarded(errors.Join(fmt.Errorf("%w: the last one ended with status %d", ErrUnguarded, status), err))
				return
			}
		}
		s.log.Warn("the command's guard had ended, another stands", "pid", g.pid, "status", status)
	}
}

// dismissGuard ends the guard, when there is nothing else left to be seen: the
// proof that nothing is left at all is wait4's, and to wait4 it is a child.
func (s *Supervisor) dismissGuard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard != 0 {
		_ = syscall.Kill(s.guard, syscall.SIGKILL)
	}
}

// withoutGuard leaves the guard out of a list of our descendants.
func (s *Supervisor) withoutGuard(living []tree.Entry) []tree.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(living, func(e tree.Entry) bool { return e.PID == s.guard })
}
