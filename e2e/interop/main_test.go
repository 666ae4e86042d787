// Package interop elects the built program against client-go's LeaderElector on
// one Lease of a real kube-apiserver, with equal durations: what a mixed fleet
// does during a migration.
package interop

import (
	"os"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/klog/v2"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// server and programs are shared by all tests.
var (
	server   *apiserver.Server
	programs stage.Programs
)

func TestMain(m *testing.M) {
	klog.SetLogger(klog.Logger{}) // client-go tells what the tests know already
	os.Exit(stage.Main(m, func(s *apiserver.Server, p stage.Programs) { server, programs = s, p }))
}

// newStage makes a stage on which client-go may create the Lease: it does so by
// POST, which no rule can permit for one name alone.
func newStage(t *testing.T) *stage.Stage {
	t.Helper()
	create := rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}}
	return stage.New(t, server, programs, append(stage.Rules(), create)...)
}
