package gate

import (
	"syscall"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

func TestSuspend_ShorterThanTheDeadlineCostsALeaderNothing(t *testing.T) {
	needMachine(t)
	s := machineStage(t)
	s.Env["LEASE_DURATION"], s.Env["RENEW_DEADLINE"] = "60", "40"
	a, b := leaderAndCandidate(s)
	suspend(t, 10*time.Second)
	awaitRenewals(t, s, 5, a, b)
	if runs := s.Runs(); len(runs) != 1 || runs[0].Ended {
		t.Errorf("runs %v, want the leader's to go on", runs)
	}
	if said := a.Line(`msg="lease lost"`); said != "" {
		t.Errorf("the leader says %s", said)
	}
}

// The API server and the candidate are suspended too, so nobody has taken the lease
// meanwhile; elsewhere somebody could have. So the leader must not go on, though at the
// thaw a renewal would succeed.
func TestSuspend_LongerThanTheLeaseIsTheEndOfTheCommand(t *testing.T) {
	for name, alone := range map[string]bool{"the gate runs": false, "the gate is stopped": true} {
		t.Run(name, func(t *testing.T) {
			needMachine(t)
			s := machineStage(t)
			a := s.Start(stage.Pod{Name: "a", Command: []string{
				programs.Actor, "-file", s.Record, "-name", "a", "-bear", "-on", "TERM=say",
			}})
			s.AwaitLine(a, `msg="command started"`)
			s.AwaitOutput(a, "a's descendant: started")
			b := startCandidate(s)
			before := s.Lease()
			if alone {
				stop(t, s, a)
			}

			thawed := suspend(t, 2*machineLease)
			s.Await("the command's death", func() bool { return len(offspring(s, a)) == 0 })
			for _, r := range s.Runs() {
				if r.Started < thawed-machineLease {
					t.Logf("%s: its silence of %.3fs ends %v after the thaw, its last sign of life is %v after the thaw",
						r.Name, r.Silence.Seconds(), r.Silent+r.Silence-thawed, r.Last-thawed)
				}
			}
			if alone {
				s.AwaitLine(a, "guard: killing all") // nobody else could
			} else {
				s.AwaitLine(a, `msg="lease lost"`)
			}
			a.Signal(syscall.SIGCONT)
			if got := s.AwaitExit(a); got != 75 {
				t.Errorf("the gate's exit status is %d, want 75", got)
			}
			s.AwaitLeader(b)
			if lease := s.Lease(); *lease.Spec.HolderIdentity != "b" || *lease.Spec.LeaseTransitions != *before.Spec.LeaseTransitions+1 {
				t.Errorf("the lease is %v, it was %v", lease.Spec, before.Spec)
			}
		})
	}
}

func TestSuspend_GivesACandidateThatWaitsNothing(t *testing.T) {
	needMachine(t)
	s := machineStage(t)
	a, b := leaderAndCandidate(s)
	renewed := kill(t, s, a)
	suspend(t, 2*machineLease)
	s.AwaitLeader(b)
	now := readClocks(t)
	waited := s.Runs()[1].Started - renewed.boottime
	asleep := now.boottime - now.monotonic - (renewed.boottime - renewed.monotonic)
	t.Logf("b starts %.3fs after the last renewal, %.3fs of them awake, of a lease of %v",
		waited.Seconds(), (waited - asleep).Seconds(), machineLease)
	if waited-asleep < machineLease {
		t.Errorf("b starts %v too early", machineLease-(waited-asleep))
	}
}

// A machine that its hypervisor stops is outside of the promise. What its clocks make of
// the pause is the hypervisor's affair; the command must end if CLOCK_BOOTTIME has seen
// it.
func TestPause_OfTheMachineIsWhatItsClocksMakeOfIt(t *testing.T) {
	needMachine(t)
	s := machineStage(t)
	a, b := leaderAndCandidate(s)
	before := readClocks(t)
	answer := ask(t, "pause "+(2*machineLease).String(), "paused")
	if answer == "" {
		t.Fatal("the machine was not stopped, so this test tests nothing")
	}
	seen := readClocks(t).since(before)
	t.Logf("the host has the machine %s; on it: %v", answer, seen)
	if seen.boottime >= machineLease {
		if got := s.AwaitExit(a); got != 75 {
			t.Errorf("the gate's exit status is %d, want 75", got)
		}
		s.AwaitLeader(b)
		return
	}
	awaitRenewals(t, s, 5, a, b)
	if runs := s.Runs(); len(runs) != 1 || runs[0].Ended {
		t.Errorf("runs %v, want the leader's to go on", runs)
	}
}
