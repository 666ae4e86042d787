package gate

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// hangLease is the lease of the gates here: what hangs does so for longer.
const hangLease = 5 * time.Second

// hangStage is a stage for programs that take for ever to be loaded. The hold
// ends before the stage does.
func hangStage(t *testing.T) (*stage.Stage, *stage.ExecHold) {
	t.Helper()
	s := newStage(t)
	s.Env["LEASE_DURATION"], s.Env["RENEW_DEADLINE"] = hangLease.String(), "3"
	return s, stage.HoldExec(t)
}

// heldActor is the command line of an actor whose start is held.
func heldActor(s *stage.Stage, hold *stage.ExecHold, name string) []string {
	return []string{hold.Copy(programs.Actor), "-file", s.Record, "-name", name}
}

// awaitManyRenewals waits until the lease has been renewed for two times its
// duration and looks on the way that nobody but its holder leads.
func awaitManyRenewals(t *testing.T, s *stage.Stage, holder, other *stage.Container) {
	t.Helper()
	first := s.Lease().Spec.RenewTime
	s.Await("the lease is renewed for twice its duration", func() bool {
		lease := s.Lease()
		if got := *lease.Spec.HolderIdentity; got != holder.Pod.Name {
			t.Fatalf("the lease is held by %q", got)
		}
		if other.Line(`msg="command started"`) != "" {
			t.Fatalf("%s has started its command while that of %s lives", other.Pod.Name, holder.Pod.Name)
		}
		return lease.Spec.RenewTime.Sub(first.Time) > 2*hangLease
	})
	if code, body := holder.Get("/leader"); code != 200 {
		t.Errorf("/leader answers %d: %s", code, body)
	}
}

func TestHang_OfTheCommandsExecDoesNotKeepTheLeaderFromRenewing(t *testing.T) {
	t.Parallel()
	s, hold := hangStage(t)
	a := s.Start(stage.Pod{Name: "a", Command: heldActor(s, hold, "a")})
	stuck := hold.Await()
	b := s.Start(stage.Pod{Name: "b"})
	s.AwaitStandby(b)

	awaitManyRenewals(t, s, a, b)
	if stuck.Ended() {
		t.Fatal("the command was not held: this test tests nothing")
	}

	if err := stuck.Allow(); err != nil {
		t.Fatal(err)
	}
	s.AwaitOutput(a, "a: started")
	a.Signal(syscall.SIGTERM)
	if got := s.AwaitExit(a); got != 0 {
		t.Errorf("the gate's exit status is %d, want the command's, 0", got)
	}
	s.AwaitLeader(b)
}

// A stop signal does not reach a program that is not loaded; STOP_TIMEOUT ends
// it.
func TestHang_OfTheCommandsExecEndsWithTheStopTimeout(t *testing.T) {
	t.Parallel()
	s, hold := hangStage(t)
	a := s.Start(stage.Pod{Name: "a", Command: heldActor(s, hold, "a"), Env: map[string]string{"STOP_TIMEOUT": "500ms"}})
	stuck := hold.Await()
	b := s.Start(stage.Pod{Name: "b", Command: heldActor(s, hold, "b")})
	s.AwaitStandby(b)

	a.Signal(syscall.SIGTERM)
	next := hold.Await()
	if !stuck.Ended() {
		t.Error("the second command is about to start, and the first lives")
	}
	if err := next.Allow(); err != nil {
		t.Fatal(err)
	}
	s.AwaitOutput(b, "b: started")
	if got := s.AwaitExit(a); got < 128 {
		t.Errorf("the gate's exit status is %d, want that of a command ended by a signal", got)
	}
}

func TestHang_OfAnExecProbeDoesNotKeepTheLeaderFromRenewing(t *testing.T) {
	t.Parallel()
	s, hold := hangStage(t)
	probe := hold.Copy("/bin/true")
	a := s.Start(stage.Pod{Name: "a", Env: map[string]string{
		"READINESS_PROBE_JSON": `{"exec":{"command":["` + probe + `"]},"periodSeconds":1,"timeoutSeconds":1}`,
	}})
	s.AwaitLeader(a)
	b := s.Start(stage.Pod{Name: "b"})
	s.AwaitStandby(b)
	asked := make(chan string, 1)
	go func() {
		_, body := a.Get("/readyz")
		asked <- body
	}()
	stuck := hold.Await()

	awaitManyRenewals(t, s, a, b)
	if body := <-asked; !strings.Contains(body, "timeout") && !strings.Contains(body, "1s") {
		t.Errorf("/readyz does not say that the probe took too long: %s", body)
	}
	s.Await("the probe that took too long is dead", stuck.Ended)
	a.Signal(syscall.SIGTERM)
	if got := s.AwaitExit(a); got != 0 {
		t.Errorf("the gate's exit status is %d, want the command's, 0", got)
	}
	s.AwaitLeader(b)
}

// The worst that can happen at a time: the command hangs where no signal but KILL
// is heard, and the API server does not answer.
func TestHang_OfTheCommandsExecInAPartitionEndsBeforeAnotherStarts(t *testing.T) {
	t.Parallel()
	s, hold := hangStage(t)
	proxy := s.Proxy(nil)
	a := s.Start(stage.Pod{Name: "a", Command: heldActor(s, hold, "a"), Proxy: proxy})
	stuck := hold.Await()
	b := s.Start(stage.Pod{Name: "b", Command: heldActor(s, hold, "b")})
	s.AwaitStandby(b)

	proxy.BlackHole()

	// The second command is held too, so that this is looked at before its first
	// instruction.
	next := hold.Await()
	if !stuck.Ended() {
		t.Error("the second command is about to start, and the first lives")
	}
	if next.PID == stuck.PID || b.Line("msg=elected", `reason="not renewed by a for 5s"`) == "" {
		t.Error("the other was not elected for the end of the lease: this test tests nothing")
	}
	if err := next.Allow(); err != nil {
		t.Fatal(err)
	}
	s.AwaitOutput(b, "b: started")
	if got := s.AwaitExit(a); got != 75 {
		t.Errorf("the gate's exit status is %d, want 75", got)
	}
	if strings.Contains(a.Output(), "a: started") {
		t.Error("the first command has run: this test tests nothing")
	}
}
