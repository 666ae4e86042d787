// Package interop elects the built program against client-go's LeaderElector on
// one Lease of a real kube-apiserver, with equal durations: what a mixed fleet
// does during a migration.
package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/klog/v2"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

var (
	binary = flag.String("gate", "", "test this `binary` in place of one that is built now")

	// server and programs are shared by all tests.
	server   *apiserver.Server
	programs stage.Programs
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	klog.SetLogger(klog.Logger{}) // client-go tells what the tests know already
	folder, err := os.MkdirTemp("", "k8s-await-election-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if programs, err = stage.Build(folder, *binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if server, err = apiserver.Start(context.Background(), apiserver.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return m.Run()
}

// newStage makes a stage on which client-go may create the Lease: it does so by
// POST, which no rule can permit for one name alone.
func newStage(t *testing.T) *stage.Stage {
	t.Helper()
	create := rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}}
	return stage.New(t, server, programs, append(stage.Rules(), create)...)
}
