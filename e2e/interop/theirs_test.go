package interop

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// The durations of every stage.
const (
	leaseDuration = 3 * time.Second
	renewDeadline = 2 * time.Second
	retryPeriod   = 500 * time.Millisecond
)

// theirs is a candidate of client-go's, with work that notes when it runs as
// the commands of ours do. The work is well-behaved: it has ended before the
// elector is told to stop. (With ReleaseOnCancel, client-go releases the lease
// when it is told, whether the work has ended or not.)
type theirs struct {
	name    string
	leading atomic.Bool
	holder  atomic.Value // string: the holder that it saw last

	// endWork ends the work, with its last line or without.
	endWork chan bool
	// worked is closed when the work has ended.
	worked chan struct{}
	cancel context.CancelFunc
	ended  chan struct{}
}

// startTheirs starts a candidate. With release, it gives the lease up when it
// ends; otherwise it ends as if it had been killed.
func startTheirs(t *testing.T, s *stage.Stage, name string, release bool) *theirs {
	t.Helper()
	client, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	c := &theirs{name: name, endWork: make(chan bool, 1), worked: make(chan struct{}), ended: make(chan struct{})}
	c.holder.Store("")
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: s.Namespace, Name: stage.LockName},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		},
		LeaseDuration:   leaseDuration,
		RenewDeadline:   renewDeadline,
		RetryPeriod:     retryPeriod,
		ReleaseOnCancel: release,
		Name:            name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { c.work(t, s.Record) },
			OnStoppedLeading: func() {},
			OnNewLeader:      func(identity string) { c.holder.Store(identity) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The test's own ends before the work does.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c.cancel = cancel
	go func() {
		defer close(c.ended)
		elector.Run(ctx)
	}()
	t.Cleanup(func() { c.end(false) })
	return c
}

func (c *theirs) work(t *testing.T, file string) {
	defer close(c.worked)
	w, err := record.Begin(file, c.name, "")
	if err != nil {
		t.Error(err)
		return
	}
	c.leading.Store(true)
	defer c.leading.Store(false)
	beats := time.NewTicker(2 * time.Millisecond)
	defer beats.Stop()
	for {
		select {
		case <-beats.C:
			if err := w.Beat(); err != nil {
				t.Error(err)
			}
		case clean := <-c.endWork:
			if clean {
				if err := w.End(); err != nil {
					t.Error(err)
				}
			}
			return
		}
	}
}

// end ends the work, if there is any, and then the elector. It may be called
// again.
func (c *theirs) end(clean bool) {
	if c.leading.Load() {
		select {
		case c.endWork <- clean:
		default:
		}
		<-c.worked
	}
	c.cancel()
	<-c.ended
}
