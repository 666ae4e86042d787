// Package chart tests the chart k8s-await-election without a cluster's nodes: what
// it renders from good and from awkward values, that the API server takes it, that
// the gate accepts the environment it is given, and that the Role is enough and
// not too much.
//
// Rendering is Helm's own, with the schema of the values, as helm install does it.
// The API server is a real one with RBAC and Pod Security admission; nothing runs
// the Pods. The tests of the rights play the gates themselves, as process 1 of
// their own namespaces where they may.
package chart

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

	// server and programs are shared by all tests; kubeVersion is the server's.
	server      *apiserver.Server
	programs    stage.Programs
	kubeVersion string
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	rest.SetDefaultWarningHandler(rest.NoWarnings{}) // Endpoints are old, we know
	folder, err := os.MkdirTemp("", "k8s-await-election-chart-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if programs, err = stage.Build(folder, stage.Programs{Gate: *binary}); err != nil {
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
	version, err := server.Client().Discovery().ServerVersion()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	kubeVersion = version.GitVersion
	return m.Run()
}
