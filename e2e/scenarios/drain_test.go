package scenarios

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// evict asks for the Pod's eviction, as kubectl drain does, until it is granted,
// and returns how often the PodDisruptionBudget was in the way.
func (s *scenario) evict(pod corev1.Pod) (refusals int) {
	s.t.Helper()
	s.await(pod.Name+" may be evicted", func() error {
		err := s.client.PolicyV1().Evictions(s.namespace).Evict(s.ctx, &policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: s.namespace},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
		})
		if apierrors.IsTooManyRequests(err) {
			refusals++
		}
		return err
	})
	return refusals
}

// Both Pods are on the node, the leader is the first to be evicted: the other may
// go only when a third stands by.
func TestDrainedNode_HandsOverToAPodThatStandsByElsewhere(t *testing.T) {
	s, host := breaking(t)
	from, to := host.Nodes[0].Name, host.Nodes[1].Name
	s.must(setCordon(s.ctx, to, true))
	s.recorder().install()
	s.awaitPods(2)
	first := s.awaitLeader()
	pods, err := s.pods()
	s.must(err)

	s.must(setCordon(s.ctx, to, false))
	s.must(setCordon(s.ctx, from, true))
	s.evict(first.pod)
	for _, pod := range pods {
		if pod.Spec.NodeName != from {
			t.Fatalf("%s is on %s, want %s", pod.Name, pod.Spec.NodeName, from)
		}
		if pod.UID == first.pod.UID {
			continue
		}
		if s.evict(pod) == 0 {
			t.Errorf("%s could be evicted at once, while the leader was going", pod.Name)
		}
	}

	s.await("both Pods have moved", func() error {
		pods, err := s.pods()
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if pod.Spec.NodeName != to {
				return fmt.Errorf("%s is on %s", pod.Name, pod.Spec.NodeName)
			}
		}
		return nil
	})
	s.awaitPods(2)
	s.awaitSuccessor(first)
	runs := s.runs()
	for _, r := range runs[:len(runs)-1] {
		if !r.Ended {
			t.Errorf("%s was killed", r)
		}
	}
}
