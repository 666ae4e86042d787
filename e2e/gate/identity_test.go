package gate

import (
	"strings"
	"syscall"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// After a kill nothing was released. Who comes back is known by what it can
// prove, not by its name.

func TestIdentity_LeadsAgainAtOnceWhenItsContainerIsRestartedInThePod(t *testing.T) {
	stage.NeedRoot(t)
	for name, uid := range map[string]string{"the Pod's UID known": "uid-1", "the Pod's UID not known": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.LongLeases() // so nobody leads because one has expired
			pod := stage.Pod{Name: "a", UID: uid}
			first := s.Start(pod)
			s.AwaitLeader(first)
			other := s.Start(stage.Pod{Name: "b"})
			s.AwaitStandby(other)

			first.Signal(syscall.SIGKILL)
			s.AwaitExit(first)
			again := s.Start(pod)
			s.AwaitLeader(again)

			if again.Line("msg=elected", `reason="the former container of this pod held it"`) == "" {
				t.Error("it was elected for another reason")
			}
			if line := other.Line("msg=elected"); line != "" {
				t.Errorf("the other Pod was elected: %s", line)
			}
			if got := s.Lease().Spec.LeaseTransitions; got == nil || *got != 0 {
				t.Errorf("transitions %v, want none: the holder is the same", got)
			}
		})
	}
}

func TestIdentity_WaitsForTheEndOfTheLeaseWhereThePodIsAnother(t *testing.T) {
	stage.NeedRoot(t)
	rows := []struct {
		name          string
		before, after func(*testing.T, *stage.Stage) stage.Pod
	}{
		{
			name:   "another Pod's UID",
			before: func(*testing.T, *stage.Stage) stage.Pod { return stage.Pod{UID: "uid-1"} },
			after:  func(*testing.T, *stage.Stage) stage.Pod { return stage.Pod{UID: "uid-2"} },
		},
		{
			name:   "another network namespace",
			before: func(*testing.T, *stage.Stage) stage.Pod { return stage.Pod{} },
			after: func(t *testing.T, s *stage.Stage) stage.Pod {
				n := stage.NewNetwork(t)
				return stage.Pod{Network: n, Proxy: s.Proxy(n)}
			},
		},
		{
			name: "a former gate that was not process 1",
			// What it had started may live on.
			before: func(*testing.T, *stage.Stage) stage.Pod { return stage.Pod{NotInit: true} },
			after:  func(*testing.T, *stage.Stage) stage.Pod { return stage.Pod{} },
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			pod := row.before(t, s)
			pod.Name = "a"
			first := s.Start(pod)
			s.AwaitLeader(first)
			first.Signal(syscall.SIGKILL)
			s.AwaitExit(first)

			pod = row.after(t, s)
			pod.Name = "a"
			again := s.Start(pod)
			s.AwaitLine(again, `msg="standing by"`, "holder=a")
			s.AwaitLeader(again)
			if again.Line("msg=elected", `reason="not renewed by a for 3s"`) == "" {
				t.Error("it was not elected for the end of the lease")
			}
		})
	}
}

func TestIdentity_IsRefusedToASecondLiveGateOfThePod(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.LongLeases()
	first := s.Start(stage.Pod{Name: "a"})
	s.AwaitLeader(first)

	second := s.Start(stage.Pod{Name: "a"})
	if got := s.AwaitExit(second); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	for _, word := range []string{"identity is in use", `\"a\"`, "IDENTITY"} {
		if !strings.Contains(second.Log(), word) {
			t.Errorf("it does not say %q: %s", word, second.Log())
		}
	}
	s.AwaitCode(first, "/leader", 200)
	if got := len(s.Runs()); got != 1 {
		t.Errorf("%d commands ran, want 1", got)
	}
}

func TestIdentity_MayBeThatOfAGateInAnotherElection(t *testing.T) {
	t.Parallel()
	one, other := newStage(t), newStage(t)
	first := one.Start(stage.Pod{Name: "a"})
	one.AwaitLeader(first)
	second := other.Start(stage.Pod{Name: "a"})
	other.AwaitLeader(second)
}

// Two live gates of one name in two Pods: nothing proves that the first is dead,
// and it is not.
func TestIdentity_OfALiveGateInAnotherPodIsWaitedFor(t *testing.T) {
	stage.NeedRoot(t)
	t.Parallel()
	s := newStage(t)
	first := s.Start(stage.Pod{Name: "a", UID: "uid-1"})
	s.AwaitLeader(first)
	n := stage.NewNetwork(t)
	second := s.Start(stage.Pod{Name: "a", UID: "uid-2", Network: n, Proxy: s.Proxy(n)})
	s.AwaitLine(second, `msg="standing by"`, "holder=a")
	renewed := s.Lease().Spec.RenewTime
	s.Await("the first one still renews", func() bool {
		return s.Lease().Spec.RenewTime.After(renewed.Add(stageRetry))
	})
	first.Signal(syscall.SIGTERM)
	s.AwaitLeader(second)
	if second.Line("msg=elected", "reason=released") == "" {
		t.Error("it was not elected for the release")
	}
}
