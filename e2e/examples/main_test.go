// Package examples tests what people copy from the folder examples: that every
// manifest, every kustomization and every values file is one that the API server
// takes and the gate understands, and that redis and nginx as Debian packages
// them run by it.
//
// The API server is a real one. There is no kubelet: the Pods of an example are
// run by runc, the runtime below containerd, from the images that e2e/images/build
// makes, with the users, capabilities, volumes, rights and probes that the example
// gives them. That needs root, runc and the images, and is skipped by name where
// one is missing; with -images nothing is.
package examples

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

var (
	images = flag.String("images", "", "`directory` of the image tars, which must be there (default: bin/images, if it is)")

	// server is shared by all tests.
	server *apiserver.Server
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	var err error
	if scratch, err = os.MkdirTemp("", "k8s-await-election-examples-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(scratch) }()
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
