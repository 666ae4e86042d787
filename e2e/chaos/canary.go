package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const (
	// sing is how often the canary writes.
	sing = 100 * time.Millisecond
	// silence is when it is called an outage that the API server has not answered:
	// a fraction of what any lock has to sit out.
	silence = slack
)

// canary writes to the API server all the time, past everything that is done to the
// replicas' connections: on a busy machine it happens that nobody gets an answer, and
// nobody did it. What it notes is judged like any other outage.
type canary struct {
	stop context.CancelFunc
	done chan error
	// outages is valid after done.
	outages []verdict.Fault
}

// newCanary begins to sing. The locks are those that it speaks for.
func newCanary(t *testing.T, client kubernetes.Interface, locks []string) *canary {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &canary{stop: stop, done: make(chan error, 1)}
	t.Cleanup(stop)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "canary", Namespace: metav1.NamespaceDefault}}
	if _, err := client.CoreV1().ConfigMaps(object.Namespace).Create(ctx, object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	go func() { c.done <- c.sing(ctx, client, locks) }()
	return c
}

// sing returns when ctx has ended.
func (c *canary) sing(ctx context.Context, client kubernetes.Interface, locks []string) error {
	var since time.Duration // the first request of an outage was sent then
	for n := 0; ; n++ {
		asked, err := record.Now()
		if err != nil {
			return err
		}
		trial, end := context.WithTimeout(ctx, time.Second)
		patch := fmt.Appendf(nil, `{"data":{"n":"%d"}}`, n)
		_, failure := client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Patch(trial, "canary", types.MergePatchType, patch, metav1.PatchOptions{})
		end()
		answered, err := record.Now()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if since == 0 && (failure != nil || answered-asked > silence) {
			since = asked
		}
		if since > 0 && failure == nil {
			c.outages = append(c.outages, verdict.Fault{
				Kind: "nobody: no answers", Locks: locks, Effect: verdict.Outage, Began: since, Ended: answered, Until: answered,
			})
			since = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sing):
		}
	}
}

// unexplained stops the canary, and returns its outages, or what is left of them, for
// which nothing in the log accounts.
func (c *canary) unexplained(t *testing.T, log verdict.Log) []verdict.Fault {
	t.Helper()
	c.stop()
	if err := <-c.done; err != nil {
		t.Fatal(err)
	}
	return unexplained(c.outages, log.Faults)
}

// unexplained leaves out what happened during an outage of all that the canary speaks
// for, which somebody made.
func unexplained(outages, made []verdict.Fault) (left []verdict.Fault) {
	for _, o := range outages {
		for _, f := range made {
			if f.Effect == verdict.Outage && len(f.Locks) == len(o.Locks) && f.Began <= o.Began+silence && o.Began <= f.Ended {
				o.Began = f.Ended
			}
		}
		if o.Ended-o.Began > silence {
			o.Number = len(made) + len(left) + 1
			left = append(left, o)
		}
	}
	return left
}
