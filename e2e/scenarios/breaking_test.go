package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// faultLasts is longer than the chart's lease, and too short for Kubernetes to give
// the node up (50 s) and its Pods (5 minutes more).
const faultLasts = 40 * time.Second

// shortLease are values for what is shown as well by a lease that is over sooner;
// shortFaultLasts is longer than that.
const (
	shortLease      = "election: {leaseDuration: 6s}"
	shortFaultLasts = 20 * time.Second
)

// apart are values for Pods that are never on one node.
const apart = `
topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule}`

// breaking begins a scenario that hurts nodes or the control plane, and so must
// not be parallel. The cluster is made whole when the test ends, however it does.
func breaking(t *testing.T) (*scenario, *cluster.Cluster) {
	t.Helper()
	host := needHost(t)
	s := begin(t, nil)
	mendAtEnd(t, host) // before the records are read
	return s, host
}

// beside begins another scenario that is hurt by the same. To be called before the
// fault is made.
func (s *scenario) beside(host *cluster.Cluster) *scenario {
	s.t.Helper()
	other := begin(s.t, nil)
	mendAtEnd(s.t, host)
	return other
}

func mendAtEnd(t *testing.T, host *cluster.Cluster) {
	t.Helper()
	t.Cleanup(func() {
		began := time.Now()
		defer func() { t.Logf("the cluster was whole again after %s", time.Since(began).Round(100*time.Millisecond)) }()
		if err := makeWhole(context.WithoutCancel(t.Context()), host); err != nil {
			t.Error(err)
		}
	})
}

// makeWhole undoes every fault there may be, and waits until the API server and
// all kubelets are at work again.
func makeWhole(ctx context.Context, host *cluster.Cluster) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errs := []error{undoFaults(ctx, host), host.AwaitAPI(ctx)}
	for _, node := range host.Nodes {
		errs = append(errs, setCordon(ctx, node.Name, false), awaitKubelet(ctx, node.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("make the cluster whole: %w", err)
	}
	return nil
}

// undoFaults undoes every fault that a scenario makes on the host.
func undoFaults(ctx context.Context, host *cluster.Cluster) error {
	var errs []error
	for _, node := range host.Nodes {
		errs = append(errs, node.Thaw(), node.Mend(ctx), node.MendAPI(ctx),
			restart(ctx, node.Component, "containerd"), restart(ctx, node.Component, "kubelet"))
	}
	errs = append(errs, restart(ctx, host.Component, "etcd"), restart(ctx, host.Component, "kube-apiserver"))
	return errors.Join(errs...)
}

// restart lets a component that was killed or paused go on.
func restart(ctx context.Context, find func(string) (*cluster.Component, error), name string) error {
	component, err := find(name)
	if err != nil {
		return err
	}
	if err := component.Start(ctx); err != nil {
		return err
	}
	return component.Resume()
}

// setCordon keeps Pods from being placed on the node, or no longer.
func setCordon(ctx context.Context, node string, cordoned bool) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"unschedulable": cordoned}})
	if err != nil {
		return err
	}
	_, err = site.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// awaitKubelet waits for a new sign of life of the node's kubelet, and until the
// node is Ready. A node alone that is Ready may be one whose silence nobody has
// noticed yet.
func awaitKubelet(ctx context.Context, name string) error {
	var first *metav1.MicroTime
	err := cluster.Poll(ctx, pollPause, func() error {
		lease, err := site.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if first == nil {
			first = lease.Spec.RenewTime
		}
		if lease.Spec.RenewTime.Equal(first) {
			return errors.New("its kubelet is silent")
		}
		node, err := site.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
				return fmt.Errorf("it is not Ready: %s", condition.Message)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", name, err)
	}
	return nil
}

// must ends the scenario where a fault could not be made or undone.
func (s *scenario) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// last returns when the time is over: so long, a fault is there.
func (s *scenario) last(over <-chan time.Time) {
	s.t.Helper()
	select {
	case <-over:
	case <-s.ctx.Done():
		s.t.Fatal(context.Cause(s.ctx))
	}
}

// nodeOf is the node of the leader's Pod.
func (s *scenario) nodeOf(host *cluster.Cluster, l leader) *cluster.Node {
	s.t.Helper()
	node, err := host.Node(l.pod.Spec.NodeName)
	s.must(err)
	return node
}

// hasRestarted is nil when the container of the Pod is not the leader's any more.
func (s *scenario) hasRestarted(l leader) error {
	pod, err := s.client.CoreV1().Pods(s.namespace).Get(s.ctx, l.name(), metav1.GetOptions{})
	if err == nil && restarts(*pod) == restarts(l.pod) {
		return errors.New("it has not been restarted")
	}
	return err
}
