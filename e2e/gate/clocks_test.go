package gate

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// awaitRenewals waits until the lease has been written a number of times, and looks
// on the way that nobody but its holder leads. It watches: who asks over and over leaves
// an emulated processor no time for the gates.
func awaitRenewals(t *testing.T, s *stage.Stage, times int, holder, other *stage.Container) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	writes, err := server.Client().CoordinationV1().Leases(s.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + stage.LockName, ResourceVersion: s.Lease().ResourceVersion,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer writes.Stop()
	for event := range writes.ResultChan() {
		lease, ok := event.Object.(*coordinationv1.Lease)
		if !ok {
			t.Fatalf("instead of a lease the watch brings %v", event.Object)
		}
		if got := *lease.Spec.HolderIdentity; got != holder.Pod.Name {
			t.Fatalf("the lease is held by %q", got)
		}
		if other.Line(`msg="command started"`) != "" {
			t.Fatalf("%s has started its command while that of %s lives", other.Pod.Name, holder.Pod.Name)
		}
		if times--; times == 0 {
			return
		}
	}
	t.Fatalf("%d renewals too few", times)
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

// steps of the wall clock.
var steps = []time.Duration{24 * time.Hour, -10 * time.Minute, 10 * time.Minute, -24 * time.Hour}

// base is how far the wall clock is ahead before it is set by one of them: at any time
// before it was started, the API server's certificates are not valid yet.
const base = 48 * time.Hour

func TestClocks_StepOfTheWallClockCostsALeaderNothingAndGivesACandidateNothing(t *testing.T) {
	needMachine(t)
	s := machineStage(t)
	a, b := leaderAndCandidate(s)

	set := wallClock(t)
	for _, by := range steps {
		const many = 10 // for more than a lease
		set(base)
		awaitRenewals(t, s, 2, a, b)
		before := s.Lease().Spec.RenewTime.Time
		set(base + by)
		awaitRenewals(t, s, many, a, b)
		t.Logf("wall clock set by %v: the lease's renewTime went on by %v in %d renewals",
			by, s.Lease().Spec.RenewTime.Sub(before).Round(time.Millisecond), many)
	}
	if runs := s.Runs(); len(runs) != 1 || runs[0].Ended {
		t.Errorf("runs %v, want the leader's to go on", runs)
	}
	for _, line := range []string{`msg="lease lost"`, `msg="renewal failed"`} {
		if said := a.Line(line); said != "" {
			t.Errorf("the leader says %s", said)
		}
	}
	a.Signal(syscall.SIGTERM)
	s.AwaitLeader(b)
}

// The leader is killed, so that nobody writes its record anew: to who believes the
// wall clock it is old at once, or made in the future.
func TestClocks_StepOfTheWallClockChangesNothingAboutAnExpiry(t *testing.T) {
	for _, by := range steps {
		t.Run(by.String(), func(t *testing.T) {
			needMachine(t)
			s := machineStage(t)
			a, b := leaderAndCandidate(s)

			set := wallClock(t)
			set(base)
			renewed := kill(t, s, a)
			set(base + by)
			s.AwaitLeader(b)
			waited := s.Runs()[1].Started - renewed.boottime
			t.Logf("wall clock set by %v: b starts %.3fs after the last renewal, of a lease of %v", by, waited.Seconds(), machineLease)
			if waited < machineLease {
				t.Errorf("b starts %v too early", machineLease-waited)
			}
		})
	}
}

// kill kills the leader right after a renewal, and returns an instant directly
// before that: no candidate can have received it earlier. A claim of the place of heir
// is a write too, but renews nothing.
func kill(t *testing.T, s *stage.Stage, c *stage.Container) (renewed clocks) {
	t.Helper()
	renewed = readClocks(t)
	first := s.Lease().Spec.RenewTime
	s.Await("the lease is renewed", func() bool {
		now := readClocks(t)
		if !s.Lease().Spec.RenewTime.Equal(first) {
			return true
		}
		renewed = now
		return false
	})
	c.Signal(syscall.SIGKILL)
	s.AwaitExit(c)
	return renewed
}
