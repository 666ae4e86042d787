//go:build linux

package child

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/guard"
)

// guardOf is the pid of the command's guard; zero: there is none.
func guardOf(s *Supervisor) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard
}

// boottime is the time by the clock of the switch.
func boottime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano())
}

func init() {
	scenarios["guard killed"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		p, err := start(s, sh("exec sleep 100"))
		if err != nil {
			return err
		}
		for range 3 {
			before := guardOf(s)
			if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
				return fmt.Errorf("kill guard %d: %w", before, err)
			}
			err := await("another guard", func() bool { now := guardOf(s); return now != 0 && now != before })
			if err != nil {
				return err
			}
		}
		if p.Status() != -1 {
			return errors.New("the command has ended with its guard")
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		if left := guardOf(s); left != 0 {
			return fmt.Errorf("guard %d is left", left)
		}
		return gone(pipe)
	}

	scenarios["unguarded"] = func(args []string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		held, err := guard.New()
		if err != nil {
			return err
		}
		held.Hold(boottime() + time.Second)
		unguarded := make(chan error, 1)
		p, err := s.Command(sh("exec sleep 100"), held, func(err error) { unguarded <- err }).Start(nil, nil)
		if err != nil {
			return err
		}
		var limit unix.Rlimit
		if args[0] == "none can be started" {
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				return err
			}
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: limit.Max}); err != nil {
				return err
			}
		}
		for told := error(nil); told == nil; {
			if pid := guardOf(s); pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			select {
			case told = <-unguarded:
			case <-time.After(time.Millisecond):
				continue
			}
			if !errors.Is(told, ErrUnguarded) || limit.Max != 0 && !errors.Is(told, syscall.EMFILE) {
				return fmt.Errorf("told %w", told)
			}
		}
		if limit.Max != 0 {
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				return err
			}
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		return gone(pipe)
	}

	scenarios["let go"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		held, err := guard.New()
		if err != nil {
			return err
		}
		held.Hold(boottime() + 500*time.Millisecond)
		p, err := s.Command(sh("setsid sleep 100 & exec sleep 100"), held, nil).Start(nil, nil)
		if err != nil {
			return err
		}
		if err := await("the end of all that hold the pipe", func() bool { return !pipe.held() }); err != nil {
			return err
		}
		return errors.Join(want(p, 128+9), p.Sweep(background), gone(pipe))
	}

	scenarios["late"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		held, err := guard.New() // that nobody holds
		if err != nil {
			return err
		}
		p, err := s.Command(sh("echo started >&8"), held, nil).Start(nil, nil)
		if err != nil {
			return err
		}
		<-p.Exited()
		if pipe.read(); len(pipe.said) > 0 {
			return errors.New("the command was started")
		}
		return errors.Join(p.Sweep(background), gone(pipe))
	}
}

func TestGuard_IsStartedAgainForAsLongAsTheCommandRuns(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "guard killed") })
}

func TestGuard_ThatCannotBeHadIsReportedWhenTheSwitchIsDue(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"none can be started", "none stands"} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			succeeds(t, asSubreaper, "unguarded", why)
		})
	}
}

func TestGuard_KillsTheCommandWhenTheSwitchIsLetGo(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "let go") })
}

func TestStart_DoesNotBecomeTheCommandWhenTheSwitchWasLetGo(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "late") })
}
