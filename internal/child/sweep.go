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
		living, errTree := descendants(s.self)
		if childless && len(living) == 0 {
			s.proven()
			if len(met) > 0 {
				s.log.Info("killed all descendants", "processes", len(met))
			}
			return nil
		}
		for _, e := range living {
			met[e.pid] = true
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
func (s *Supervisor) killAll(living []entry) map[int]bool {
	if s.isInit {
		s.killNamespace()
	}
	refused := s.killOwn()
	for _, e := range living { // parents first: a dead one starts no other
		kill := s.killDeep
		if e.parent == s.self {
			kill = s.killChild
		}
		if errors.Is(kill(e), syscall.EPERM) {
			refused[e.pid] = true
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
// returns the pids of those whose group could not be. It needs no /proc.
func (s *Supervisor) killOwn() map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused := make(map[int]bool)
	for pid := range s.children {
		if errors.Is(syscall.Kill(-pid, syscall.SIGKILL), syscall.EPERM) {
			refused[pid] = true
		}
	}
	return refused
}

// killChild kills a child of ours, adopted ones included, and its process group
// where that is certainly ours. A group is killed at once, as PID 1's kill(-1)
// does: forking is no way out.
func (s *Supervisor) killChild(e entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Only our own child can be waited for, and while the lock is held nobody
	// reaps it: from here on the pid means this process.
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, e.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return err // ECHILD: it was reaped
	}
	if group, err := syscall.Getpgid(e.pid); err == nil && s.owns(e.pid, group) {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	return syscall.Kill(e.pid, syscall.SIGKILL)
}

// owns reports whether all members of a child's group descend from us: the child
// or the command leads it, or it is of another session than ours. A session is
// entered by birth alone (setsid(2)), so one that a descendant is in was founded
// by a descendant. Other groups may be those of our own siblings.
func (s *Supervisor) owns(child, group int) bool {
	if group <= 1 || group == s.group {
		return false
	}
	if group == child || group == s.commandGroup {
		return true
	}
	session, err := unix.Getsid(child)
	return err == nil && session != s.session
}

// killDeep kills a descendant that is not our child: it can be reaped, and its
// pid pass on, at any moment. The pidfd holds on to whoever has the pid now, and
// what /proc says of it afterwards is about that process, or it has died and the
// signal goes nowhere. Without pidfds (Linux before 5.3, some sandboxes) it is
// left alone until it becomes our child by the death of its parents.
func (s *Supervisor) killDeep(e entry) error {
	fd, err := unix.PidfdOpen(e.pid, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	now, err := readEntry(e.pid)
	if err != nil || now.start != e.start || (now.parent != e.parent && now.parent != s.self) {
		return nil
	}
	return unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0)
}

// survivors tells why death is not proven.
func survivors(ctx context.Context, living []entry, refused map[int]bool, errTree error) error {
	const named = 5
	var lines []string
	for _, e := range living {
		if len(lines) == named {
			lines = append(lines, fmt.Sprintf("%d more", len(living)-named))
			break
		}
		line := fmt.Sprintf("pid %d (%s, uid %s, state %c)", e.pid, e.comm, uidOf(e.pid), e.state)
		if refused[e.pid] {
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
