package scenarios

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// theirs is a candidate of client-go's for the recorder's Lease, in the process of
// the test. Its work notes that it runs, as the recorder does.
type theirs struct {
	// finish ends the work, and then gives the Lease up, or leaves it to run out.
	finish chan struct{}
	ended  chan struct{}
}

// startTheirs starts a candidate with the chart's durations.
func (s *scenario) startTheirs(name string, releases bool) *theirs {
	s.t.Helper()
	file := filepath.Join(s.folder, name)
	s.records = append(s.records, file)
	c := &theirs{finish: make(chan struct{}), ended: make(chan struct{})}
	ctx, stop := context.WithCancel(s.ctx)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: s.namespace, Name: "recorder"},
			Client:     s.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		},
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		ReleaseOnCancel: releases,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				defer stop() // not earlier: client-go would release while the work goes on
				c.work(ctx, s.t, file, name)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		elector.Run(ctx)
	}()
	s.t.Cleanup(func() { <-c.ended })
	return c
}

func (c *theirs) work(ctx context.Context, t *testing.T, file, name string) {
	w, err := record.Begin(file, name, "")
	if err != nil {
		t.Error(err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-c.finish:
		case <-ctx.Done():
		}
	}()
	if err := w.BeatEvery(ctx, time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := w.End(); err != nil {
		t.Error(err)
	}
}

// needNodesHere skips what compares the records of the nodes with one of the test.
func needNodesHere(t *testing.T) {
	t.Helper()
	needCluster(t)
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err != nil || strings.TrimSpace(string(id)) != site.bootID {
		t.Skip("needs nodes on this machine, with whose clock theirs is compared")
	}
}

func TestHalfTheirsHalfOurs_ShareOneLease(t *testing.T) {
	needNodesHere(t)
	t.Parallel()
	s := begin(t, nil)
	is := func(name string) func(string) bool { return func(holder string) bool { return holder == name } }
	isOurs := func(holder string) bool { return strings.HasPrefix(holder, "recorder-") }
	release := s.recorder()

	first := s.startTheirs("theirs-1", true)
	s.awaitHolder(is("theirs-1"))
	release.install() // ours stand by, and are ready
	s.awaitRenewals(2)
	if holder := s.awaitHolder(func(string) bool { return true }); holder != "theirs-1" {
		t.Fatalf("%s holds the Lease, want theirs", holder)
	}
	close(first.finish)
	s.awaitHolder(isOurs)
	s.awaitLeader()

	second := s.startTheirs("theirs-2", false)
	s.awaitRenewals(2)
	s.kubectl("scale", "deployment/recorder", "--replicas=0")
	s.awaitHolder(is("theirs-2"))
	s.kubectl("scale", "deployment/recorder", "--replicas=2")
	s.awaitPods(2)
	s.awaitRenewals(2)
	close(second.finish) // as if it had been killed: the Lease has to run out
	s.awaitHolder(isOurs)
	s.awaitLeader()
	if runs := s.runs(); len(runs) < 4 {
		t.Errorf("runs %v, want four or more", runs)
	}
}
