package gate

import (
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// Not parallel to others: they share the API server that goes away here.
func TestOutage_OfTheAPIServerNeitherEndsALeaderNorACandidate(t *testing.T) {
	running, starting := newStage(t), newStage(t)
	running.LongLeases()
	starting.LongLeases()
	leader := running.Start(stage.Pod{Name: "leader"})
	running.AwaitLeader(leader)
	standby := running.Start(stage.Pod{Name: "standby"})
	running.AwaitStandby(standby)

	if err := server.APIServer.Kill(); err != nil {
		t.Fatal(err)
	}
	// Starts while there is no API server.
	candidate := starting.Start(stage.Pod{Name: "candidate"})
	body := starting.AwaitCode(candidate, "/readyz", 503)
	starting.Await("the candidate says on /readyz why it is not ready", func() bool {
		_, body = candidate.Get("/readyz")
		return strings.Contains(body, "connection refused")
	})
	if !strings.Contains(body, "lease "+starting.Namespace+"/"+stage.LockName) {
		t.Errorf("/readyz does not name the lock: %s", body)
	}
	starting.AwaitCode(candidate, "/livez", 200)
	starting.AwaitLine(candidate, "level=WARN", "connection refused")
	// A short outage moves nobody.
	running.AwaitLine(leader, `msg="renewal failed"`)
	running.AwaitCode(leader, "/leader", 200)
	running.AwaitCode(leader, "/livez", 200)
	running.AwaitLine(standby, `msg="watch broke"`)
	running.AwaitCode(standby, "/readyz", 200)

	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	starting.AwaitLeader(candidate)
	starting.AwaitCode(candidate, "/readyz", 200)
	before := running.Lease()
	running.Await("the lease is renewed again", func() bool {
		return running.Lease().Spec.RenewTime.After(before.Spec.RenewTime.Time)
	})
	if runs := running.Runs(); len(runs) != 1 || runs[0].Ended {
		t.Errorf("runs %v, want the leader's to go on", runs)
	}
	if standby.Line("msg=elected") != "" {
		t.Error("the standby was elected")
	}
}
