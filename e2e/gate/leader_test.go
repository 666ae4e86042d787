package gate

import (
	"strings"
	"syscall"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// TestLeader_IsFollowedBySomebodyElseHoweverItEnds is the table «what happens
// when» from outside: two gates, one leads, and something happens to it. Leases
// are long where the lock is passed on at once, so that a hand-over by expiry
// cannot be taken for one.
func TestLeader_IsFollowedBySomebodyElseHoweverItEnds(t *testing.T) {
	rows := []struct {
		name string
		root bool
		// expires: the lock is not released, others wait out the lease.
		expires bool
		pod     stage.Pod
		act     func(*stage.Container)
		exit    int
		// logs are words of one line of the old leader's log.
		logs []string
		// clean: the command has noted its own end.
		clean bool
	}{
		{
			name: "a stop signal to the gate",
			act:  func(c *stage.Container) { c.Signal(syscall.SIGTERM) },
			exit: 0, clean: true, logs: []string{`msg="command ended"`, `reason="it was asked to stop"`, "status=0"},
		},
		{
			name: "an interrupt to the gate",
			pod:  stage.Pod{Actor: []string{"-on", "INT=4"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGINT) },
			exit: 4, clean: true, logs: []string{`reason="it was asked to stop"`, "status=4"},
		},
		{
			name: "a stop signal that the command takes another for",
			pod:  stage.Pod{Env: map[string]string{"STOP_SIGNAL": "SIGUSR2"}, Actor: []string{"-on", "TERM=3", "-on", "USR2=5"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGTERM) },
			exit: 5, clean: true, logs: []string{`reason="it was asked to stop"`, "status=5"},
		},
		{
			name: "a stop signal of the command's own kind",
			pod:  stage.Pod{Env: map[string]string{"STOP_SIGNAL": "QUIT"}, Actor: []string{"-on", "QUIT=6"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGQUIT) },
			exit: 6, clean: true, logs: []string{`reason="it was asked to stop"`, "status=6"},
		},
		{
			name: "a stop signal that the command ignores",
			pod:  stage.Pod{Env: map[string]string{"STOP_TIMEOUT": "300ms"}, Actor: []string{"-on", "TERM=say"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGTERM) },
			exit: 137, logs: []string{`reason="it did not stop in time"`, "status=137"},
		},
		{
			name: "the command ends by itself",
			pod:  stage.Pod{Actor: []string{"-on", "USR1=7"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGUSR1) },
			exit: 7, clean: true, logs: []string{`reason="it ended by itself"`, "status=7"},
		},
		{
			name: "the command ends well by itself",
			pod:  stage.Pod{Actor: []string{"-on", "USR1=0"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGUSR1) },
			exit: 0, clean: true, logs: []string{`reason="it ended by itself"`, "status=0"},
		},
		{
			name: "the command is killed",
			pod:  stage.Pod{Actor: []string{"-on", "USR1=die"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGUSR1) },
			exit: 137, logs: []string{`reason="it ended by itself"`, "status=137"},
		},
		{
			name: "the command ends and leaves a descendant behind",
			root: true, // without namespaces it would survive a failed test
			pod:  stage.Pod{Actor: []string{"-bear", "-on", "USR1=8"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGUSR1) },
			exit: 8, clean: true, logs: []string{`reason="it ended by itself"`, "status=8"},
		},
		{
			name: "the gate is killed",
			root: true, expires: true,
			pod:  stage.Pod{Actor: []string{"-bear"}},
			act:  func(c *stage.Container) { c.Signal(syscall.SIGKILL) },
			exit: 137,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.root {
				stage.NeedRoot(t)
			}
			t.Parallel()
			s := newStage(t)
			reason := "reason=released"
			if row.expires {
				reason = `reason="not renewed by a for 3s"`
			} else {
				s.LongLeases()
			}
			row.pod.Name = "a"
			a := s.Start(row.pod)
			s.AwaitLeader(a)
			b := s.Start(stage.Pod{Name: "b"})
			s.AwaitStandby(b)
			s.AwaitCode(a, "/leader", 200)
			s.AwaitCode(b, "/leader", 503)
			s.AwaitCode(b, "/readyz", 200)
			s.AwaitCode(b, "/livez", 200)

			row.act(a)

			if got := s.AwaitExit(a); got != row.exit {
				t.Errorf("the gate's exit status is %d, want %d", got, row.exit)
			}
			if row.logs != nil && a.Line(row.logs...) == "" {
				t.Errorf("the old leader does not log %q", row.logs)
			}
			s.AwaitLeader(b)
			s.AwaitCode(b, "/leader", 200)
			if b.Line("msg=elected", reason) == "" {
				t.Errorf("the new leader was not elected for the %s", reason)
			}
			for _, run := range s.Runs() {
				if run.Name == "a" && run.Ended != row.clean {
					t.Errorf("%v: noted its end: %v, want %v", run, run.Ended, row.clean)
				}
			}
		})
	}
}

func TestLeader_PassesOtherSignalsToTheCommandAlone(t *testing.T) {
	stage.NeedRoot(t)
	t.Parallel()
	s := newStage(t)
	s.LongLeases()
	a := s.Start(stage.Pod{Name: "a", Actor: []string{"-bear"}})
	s.AwaitLeader(a)
	s.AwaitOutput(a, "a's descendant: started")
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGHUP} {
		a.Signal(sig)
		s.AwaitOutput(a, "a: got "+sig.String()+"\n")
	}
	s.AwaitCode(a, "/leader", 200)
	a.Signal(syscall.SIGTERM)
	if got := s.AwaitExit(a); got != 0 {
		t.Errorf("exit status %d", got)
	}
	if strings.Contains(a.Output(), "descendant: got") {
		t.Error("the command's descendant was sent signals as well")
	}
}

func TestStandby_EndsOfASignal(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.LongLeases()
	leader := s.Start(stage.Pod{Name: "leader"})
	s.AwaitLeader(leader)
	for sig, want := range map[syscall.Signal]int{
		syscall.SIGTERM: 0,
		syscall.SIGINT:  0,
		syscall.SIGQUIT: 128 + int(syscall.SIGQUIT),
		syscall.SIGUSR1: 128 + int(syscall.SIGUSR1),
	} {
		c := s.Start(stage.Pod{Name: "standby"})
		s.AwaitStandby(c)
		c.Signal(sig)
		if got := s.AwaitExit(c); got != want {
			t.Errorf("%v: exit status %d, want %d", sig, got, want)
		}
		if heir := s.Lease().Annotations["k8s-await-election/heir"]; heir != "" {
			t.Errorf("%v: it left without giving up its turn: %s", sig, heir)
		}
	}
	if got := len(s.Runs()); got != 1 {
		t.Errorf("%d commands ran, want the leader's alone", got)
	}
}

func TestCommand_FindsItsFencingTokenGrowFromLeaderToLeader(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.LongLeases()
	for _, name := range []string{"a", "b", "a"} {
		c := s.Start(stage.Pod{Name: name})
		s.AwaitLeader(c)
		c.Signal(syscall.SIGTERM)
		s.AwaitExit(c)
	}
	runs := s.Runs()
	if len(runs) != 3 {
		t.Fatalf("%d runs, want 3", len(runs))
	}
	for i, run := range runs {
		if run.Token == "" || i > 0 && !less(runs[i-1].Token, run.Token) {
			t.Errorf("token %q of run %d does not follow", run.Token, i)
		}
	}
}

// less compares two numbers without leading zeros.
func less(a, b string) bool {
	return len(a) < len(b) || len(a) == len(b) && a < b
}
