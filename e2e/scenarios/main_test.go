// Package scenarios does with the chart and the gate, on a real cluster, what
// people and accidents do: installs, upgrades, rollouts, deletions, kills, limits.
// The application is mostly the recorder of examples/recorder, which notes on its
// node's disk that it runs.
//
// Every scenario has a namespace of its own, and ends with the proof that in it
// never two applications ran at once: from the records of all nodes, as finely as
// the longest silence that is logged. That supposes nodes of one kernel, as those
// of `make cluster` and of kind are; elsewhere the run refuses to start.
//
// Without -cluster only the proof itself is tested. The cluster is that of
// KUBECONFIG, or else the one that `make cluster` has brought up, to which the
// images are loaded. What hurts the host's processes is skipped by its name
// elsewhere.
//
// A scenario that hurts only its own namespace is parallel. One that hurts a node
// or the control plane must not be: it then runs alone.
package scenarios

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

var (
	asked  = flag.Bool("cluster", false, "run the scenarios, on the cluster of KUBECONFIG or else that of make cluster")
	images = flag.String("images", "../../bin/images", "`directory` of the image archives to load into the cluster of make cluster")

	// site is shared by all scenarios; nil without -cluster.
	site *environment
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if !*asked {
		return m.Run()
	}
	// Who presses ctrl-c wants the namespaces to go, too.
	interrupted, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	release, err := takeCluster(interrupted)
	if err != nil {
		fmt.Fprintln(os.Stderr, "take the cluster:", err)
		return 1
	}
	defer release()
	if err := prepare(interrupted); err != nil {
		fmt.Fprintln(os.Stderr, "prepare the scenarios:", err)
		return 1
	}
	status := m.Run()
	if interrupted.Err() != nil { // the rest was skipped
		fmt.Fprintln(os.Stderr, "the scenarios were interrupted")
		status = 1
	}
	if err := site.leave(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "clean up after the scenarios:", err)
		status = 1
	}
	return status
}

func prepare(interrupted context.Context) (err error) {
	ctx, cancel := context.WithTimeout(interrupted, 3*time.Minute)
	defer cancel()
	site, err = connect(ctx)
	if err != nil {
		return err
	}
	site.interrupted = interrupted
	if site.host != nil { // a run that was killed may have left it broken
		if err := makeWhole(ctx, site.host); err != nil {
			return err
		}
	}
	if err := site.loadImages(ctx, *images); err != nil {
		return err
	}
	return site.startReaders(ctx)
}
