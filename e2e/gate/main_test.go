// Package gate tests the built program from outside: what its commands do and
// when, its exit statuses, what it logs and answers, against a real
// kube-apiserver with etcd and against the file lock.
package gate

import (
	"flag"
	"os"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

var (
	update = flag.Bool("update", false, "rewrite the golden files")

	// server and programs are shared by all tests.
	server   *apiserver.Server
	programs stage.Programs
)

func TestMain(m *testing.M) {
	rest.SetDefaultWarningHandler(rest.NoWarnings{}) // Endpoints are old, we know
	os.Exit(stage.Main(m, func(s *apiserver.Server, p stage.Programs) { server, programs = s, p }))
}

// newStage makes a stage on the shared server.
func newStage(t *testing.T) *stage.Stage {
	t.Helper()
	return stage.New(t, server, programs)
}

// leaderAndStandby starts two gates, of which the first leads.
func leaderAndStandby(s *stage.Stage, first stage.Pod) (leader, standby *stage.Container) {
	leader = s.Start(first)
	s.AwaitLeader(leader)
	standby = s.Start(stage.Pod{Name: "b"})
	s.AwaitStandby(standby)
	return leader, standby
}
