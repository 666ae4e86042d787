package gate

import (
	"flag"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// ageing is a wrapper for a gate in a time namespace, whose clocks are ahead of the
// machine's by different times.
func ageing(t *testing.T) []string {
	t.Helper()
	stage.NeedRoot(t)
	wrapper := []string{"unshare", "--time", "--boottime", "1000000", "--monotonic", "3000"}
	text, err := exec.Command(wrapper[0], append(wrapper[1:], "readlink", "/proc/self/ns/time")...).CombinedOutput()
	if own, _ := os.Readlink("/proc/self/ns/time"); err != nil || string(text) == own+"\n" {
		t.Skipf("%s needs unshare(1) and time namespaces that execve(2) enters: %v: %s", t.Name(), err, text)
	}
	return wrapper
}

// awaitRenewals waits until the lease has been renewed a number of times, and looks
// on the way that nobody but its holder leads.
func awaitRenewals(t *testing.T, s *stage.Stage, times int, holder, other *stage.Container) {
	t.Helper()
	last := s.Lease().ResourceVersion
	s.Await("the lease is renewed", func() bool {
		lease := s.Lease()
		if got := *lease.Spec.HolderIdentity; got != holder.Pod.Name {
			t.Fatalf("the lease is held by %q", got)
		}
		if other.Line(`msg="command started"`) != "" {
			t.Fatalf("%s has started its command while that of %s lives", other.Pod.Name, holder.Pod.Name)
		}
		if lease.ResourceVersion != last {
			last = lease.ResourceVersion
			times--
		}
		return times <= 0
	})
}

// The commands here keep no record: its times would be those of another namespace.
func TestClocks_OfOtherTimeNamespacesMakeNoDifference(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]map[string]bool{
		"the holder's":    {"a": true},
		"the candidate's": {"b": true},
		"both":            {"a": true, "b": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrapper := ageing(t)
			s := guardStage(t)
			pod := func(name string) stage.Pod {
				pod := stage.Pod{Name: name, Command: []string{"/bin/sh", "-c", `trap "" TERM; while :; do sleep 1; done`}}
				if ahead[name] {
					pod.Wrapper = wrapper
				}
				return pod
			}
			a := s.Start(pod("a"))
			s.AwaitLeader(a)
			b := s.Start(pod("b"))
			s.AwaitStandby(b)

			const many = 15 // for more than a lease
			awaitRenewals(t, s, many, a, b)
			stop(t, s, a)
			s.AwaitLeader(b)
			for _, pid := range offspring(s, a) {
				t.Errorf("the next command runs, and of the one before there lives %q", procfile(pid, "cmdline"))
			}
			a.Signal(syscall.SIGCONT)
			if got := s.AwaitExit(a); got != 75 {
				t.Errorf("the gate that goes on ends with status %d, want 75", got)
			}
		})
	}
}

var stepWallClock = flag.Duration("step-wall-clock", 0, "run the test that sets the machine's clock, for some seconds, forward and back by this `time`")

// Not parallel to others: it is everybody's clock.
func TestClocks_StepOfTheWallClockCostsALeaderNothingAndGivesACandidateNothing(t *testing.T) {
	step := *stepWallClock
	if step == 0 {
		t.Skip("sets the machine's clock; asked for by -step-wall-clock=10m, say")
	}
	stage.NeedRoot(t)
	s := guardStage(t)
	a := s.Start(stage.Pod{Name: "a"})
	s.AwaitLeader(a)
	b := s.Start(stage.Pod{Name: "b"})
	s.AwaitStandby(b)
	// What the wall clock shows is told from how far it is ahead of the other, so
	// that it is right again at the end.
	offset := wall(t) - boottime(t)
	set := func(ahead time.Duration) {
		now := unix.NsecToTimespec(int64(boottime(t) + offset + ahead))
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(0) })

	const many = 5
	for _, ahead := range []time.Duration{step, 0, -step, 0} {
		before := s.Lease().Spec.RenewTime.Time
		set(ahead)
		awaitRenewals(t, s, many, a, b)
		t.Logf("clock %v ahead: the lease's renewTime went on by %v in %d renewals",
			ahead, s.Lease().Spec.RenewTime.Sub(before).Round(time.Millisecond), many)
	}
	if runs := s.Runs(); len(runs) != 1 || runs[0].Ended {
		t.Errorf("runs %v, want the leader's to go on", runs)
	}
	for _, line := range []string{`msg="lease lost"`, `msg="renewal failed"`} {
		if said := a.Line(line); said != "" {
			t.Errorf("the leader says %s", said)
		}
	}
	set(step)
	a.Signal(syscall.SIGTERM)
	s.AwaitLeader(b)
}

func wall(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}
