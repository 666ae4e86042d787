package gate

import (
	"syscall"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// stageRetry is the RetryPeriod of every stage.
const stageRetry = 500 * time.Millisecond

func TestPartition_StopsTheCommandBeforeAnotherStarts(t *testing.T) {
	rows := []struct {
		name  string
		actor []string
		clean bool
	}{
		{"a command that stops when asked", nil, true},
		{"a command that does not", []string{"-on", "TERM=say"}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			proxy := s.Proxy(nil)
			a := s.Start(stage.Pod{Name: "a", Actor: row.actor, Proxy: proxy})
			s.AwaitLeader(a)
			b := s.Start(stage.Pod{Name: "b"})
			s.AwaitStandby(b)

			proxy.BlackHole()

			s.AwaitLine(a, `msg="lease lost"`, "not renewed in time")
			s.AwaitOutput(a, "a: got terminated")
			s.AwaitLeader(b)
			if b.Line("msg=elected", `reason="not renewed by a for 3s"`) == "" {
				t.Error("the other was not elected for the end of the lease")
			}
			if got := s.AwaitExit(a); got != 75 {
				t.Errorf("the gate's exit status is %d, want 75", got)
			}
			for _, run := range s.Runs() {
				if run.Name == "a" && run.Ended != row.clean {
					t.Errorf("%v: noted its end: %v, want %v", run, run.Ended, row.clean)
				}
			}
		})
	}
}

func TestPartition_EndsWithAnotherTurnWhereLosingMeansStandby(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	proxy := s.Proxy(nil)
	a, b := leaderAndStandby(s, stage.Pod{Name: "a", Proxy: proxy, Env: map[string]string{"ON_LOST": "standby"}})

	proxy.BlackHole()
	s.AwaitLine(a, `msg="command ended"`, `reason="the lease was lost"`)
	s.AwaitLeader(b)
	s.AwaitCode(a, "/leader", 503)
	s.AwaitCode(a, "/livez", 200)

	proxy.Pass()
	s.AwaitLine(a, `msg="standing by"`, "holder=b")
	s.AwaitLine(a, `msg="next in line"`, "holder=b")
	b.Signal(syscall.SIGTERM)
	s.AwaitExit(b)
	s.Await("the first one leads again", func() bool { return len(s.Runs()) == 3 })
	s.AwaitCode(a, "/leader", 200)
	a.Signal(syscall.SIGTERM)
	if got := s.AwaitExit(a); got != 0 {
		t.Errorf("the gate's exit status is %d, want 0", got)
	}
}

func TestPartition_CostsNothingWhenItIsOverInTime(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]bool{"black hole": false, "connections reset and refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.LongLeases()
			proxy := s.Proxy(nil)
			a := s.Start(stage.Pod{Name: "a", Proxy: proxy})
			s.AwaitLeader(a)
			token := s.Runs()[0].Token
			if cut {
				proxy.Refuse()
				proxy.Reset()
				s.AwaitLine(a, `msg="renewal failed"`)
			} else {
				proxy.BlackHole()
				s.Await("a renewal hangs", func() bool { return proxy.Holding() > 0 })
			}
			before := s.Lease().Spec.RenewTime
			proxy.Pass()
			s.Await("the lease is renewed again", func() bool { return s.Lease().Spec.RenewTime.After(before.Time) })
			s.AwaitCode(a, "/leader", 200)
			if runs := s.Runs(); len(runs) != 1 || runs[0].Token != token || runs[0].Ended {
				t.Errorf("runs %v, want the first to go on", runs)
			}
		})
	}
}
