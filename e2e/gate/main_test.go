// Package gate tests the built program from outside: what its commands do and
// when, its exit statuses, what it logs and answers, against a real
// kube-apiserver with etcd and against the file lock.
package gate

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

var (
	binary = flag.String("gate", "", "test this `binary` in place of one that is built now")
	update = flag.Bool("update", false, "rewrite the golden files")

	// server and programs are shared by all tests.
	server   *apiserver.Server
	programs stage.Programs
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	rest.SetDefaultWarningHandler(rest.NoWarnings{}) // Endpoints are old, we know
	folder, err := os.MkdirTemp("", "k8s-await-election-gate-")
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

// newStage makes a stage on the shared server.
func newStage(t *testing.T) *stage.Stage {
	t.Helper()
	return stage.New(t, server, programs)
}
