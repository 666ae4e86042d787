package stage

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

// Main is the TestMain of a package with stages: it builds the programs, starts
// the API server that all its stages share, hands them over, runs the tests and
// removes everything. It returns the exit status. The flags of the package must
// have been made; Main adds -gate and -actor and reads them all.
func Main(m *testing.M, share func(*apiserver.Server, Programs)) (status int) {
	var made Programs
	flag.StringVar(&made.Gate, "gate", "", "test this `binary` in place of one that is built now")
	flag.StringVar(&made.Actor, "actor", "", "give the gates this `binary` as their command in place of one that is built now")
	flag.Parse()
	failed := func(err error) bool {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		return err != nil
	}
	folder, err := os.MkdirTemp("", "k8s-await-election-e2e-")
	if failed(err) {
		return status
	}
	defer func() { failed(os.RemoveAll(folder)) }()
	programs, err := Build(folder, made)
	if failed(err) {
		return status
	}
	server, err := apiserver.Start(context.Background(), apiserver.Options{})
	if failed(err) {
		return status
	}
	defer func() { failed(server.Stop()) }()
	share(server, programs)
	return m.Run()
}
