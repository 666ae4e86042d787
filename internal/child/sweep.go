//go:build linux

package child

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
)

var (
	// ErrAlive: descendants of this process are not proven dead.
	ErrAlive = errors.New("not all descendants are dead")
	// ErrUnkillable: at least one of them may not be killed. Comes with ErrAlive.
	ErrUnkillable = errors.New("killing is not permitted")
)

const killRemedy = "give the container the capability KILL, or let the command keep the gate's uid"

// Pauses between two rounds of killing in which nothing has died. What dies ends
// the pause at once; it is for what becomes killable, or visible, without a sign.
const (
	firstPause = time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// sweep is Process.Sweep.
func (s *Supervisor) sweep(ctx context.Context) error {
	s.mu.Lock()
	s.sweeping++
	s.open = false
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.sweeping--
		s.mu.Unlock()
	}()

	pause := firstPause
	met := make(map[int]bool)
	searched := false // with nobody found: only the guard was left to die
	for {
		last := ctx.Err() != nil // read first: what has died until then counts
		died := s.nextDeath()
		childless := s.pass()
		if !childless { // first what needs no look at /proc, which may take long
			if s.isInit {
				s.killNamespace()
			}
			s.killOwn()
		}
		var living []tree.Entry
		var errTree error
		if !childless || !searched {
			living, errTree = tree.Descendants(s.self)
			living = s.withoutGuard(living)
		}
		if childless && len(living) == 0 {
			s.proven()
			if len(met) > 0 {
				s.log.Info("killed all descendants", "processes", len(met))
			}
			return nil
		}
		for _, e := range living {
			met[e.PID] = true
		}
		if len(living) == 0 { // last, so that there is one for as long as it has to do
			s.dismissGuard()
			searched = errTree == nil
		}
		refused := s.killAll(living)
		if last {
			return survivors(ctx, living, refused, errTree)
		}
		timer := time.NewTimer(pause)
		select {
		case <-died:
			pause = firstPause
		case <-timer.C:
			pause = min(2*pause, lastPause)
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// proven takes note that nothing is left.
func (s *Supervisor) proven() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unproven = false
	if s.handedOver {
		s.takeTerminalBack(0)
	}
}

// killAll kills what lives, by every way there is, and returns the pids for
// which that was not permitted.
func (s *Supervisor) killAll(living []tree.Entry) map[int]bool {
	if s.isInit {
		s.killNamespace()
	}
	refused := s.killOwn()
	for _, e := range living { // parents first: a dead one starts no other
		// One that is not our child and cannot be held by a pidfd becomes it by
		// the death of its parents.
		kill := func(e tree.Entry) error { return tree.Kill(e, s.self) }
		if e.Parent == s.self {
			kill = s.killChild
		}
		if errors.Is(kill(e), syscall.EPERM) {
			refused[e.PID] = true
		}
	}
	return refused
}

// killNamespace kills every process of our PID namespace but ourselves. Nobody
// slips through by forking: kill(-1) goes over all processes under the lock that
// fork needs to add one, and a fork under way fails in a parent that has been
// killed. It needs neither memory nor a new process, so no fork bomb or pid
// limit is in its way. Whom it may not kill it leaves out without a word
// (kill(2)); the individual kills find that out.
func (s *Supervisor) killNamespace() {
	if syscall.Getpid() != 1 {
		return // anywhere else it would be the death of the machine
	}
	_ = syscall.Kill(-1, syscall.SIGKILL)
}

// killOwn kills the groups of all that we have spawned and not yet reaped, and
// returns the pids of those whose group could not be; the guard is left. It needs
// no /proc.
func (s *Supervisor) killOwn() map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused := make(map[int]bool)
	for pid := range s.children {
		if pid == s.guard {
			continue
		}
		if errors.Is(syscall.Kill(-pid, syscall.SIGKILL), syscall.EPERM) {
			refused[pid] = true
		}
	}
	return refused
}

// killChild kills a child of ours, adopted ones included, and its process group
// where that is certainly ours. A group is killed at once, as PID 1's kill(-1)
// does: forking is no way out.
func (s *Supervisor) killChild(e tree.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Only our own child can be waited for, and while the lock is held nobody
	// reaps it: from here on the pid means this process.
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, e.PID, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return err // ECHILD: it was reaped
	}
	if group, err := syscall.Getpgid(e.PID); err == nil && s.groups.Own(e.PID, group) {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	return syscall.Kill(e.PID, syscall.SIGKILL)
}

// survivors tells why death is not proven.
func survivors(ctx context.Context, living []tree.Entry, refused map[int]bool, errTree error) error {
	const named = 5
	var lines []string
	for _, e := range living {
		if len(lines) == named {
			lines = append(lines, fmt.Sprintf("%d more", len(living)-named))
			break
		}
		line := fmt.Sprintf("pid %d (%s, uid %s, state %c)", e.PID, e.Comm, tree.UID(e.PID), e.State)
		if refused[e.PID] {
			line += " may not be killed"
		}
		lines = append(lines, line)
	}
	if len(living) == 0 {
		why := "a child is left that /proc does not show: is it mounted with hidepid, or is a program being loaded?"
		if errTree != nil {
			why = "a child is left that cannot be found: " + errTree.Error()
		}
		lines = append(lines, why)
	}
	who := strings.Join(lines, ", ")
	if len(refused) > 0 {
		return fmt.Errorf("sweep: %w: %s: %w; %s: %w", ErrAlive, who, ErrUnkillable, killRemedy, context.Cause(ctx))
	}
	return fmt.Errorf("sweep: %w: %s: %w", ErrAlive, who, context.Cause(ctx))
}
