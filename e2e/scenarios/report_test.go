package scenarios

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// report logs what somebody would ask for who was not there: Pods, their logs,
// Lease, EndpointSlices, events and the runs.
func (s *scenario) report(ctx context.Context) {
	s.t.Logf("namespace %s:", s.namespace)
	core := s.client.CoreV1()
	pods, err := core.Pods(s.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Logf("no report: %v", err)
		return
	}
	for _, pod := range pods.Items {
		status := pod.Status
		status.Conditions, status.PodIPs, status.HostIPs = nil, nil, nil
		s.log(fmt.Sprintf("Pod %s on %s", pod.Name, pod.Spec.NodeName), status)
		for _, container := range pod.Spec.Containers {
			for _, previous := range []bool{true, false} {
				text, err := core.Pods(s.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container.Name, Previous: previous}).DoRaw(ctx)
				if err == nil && len(text) > 0 {
					s.t.Logf("log of %s, previous %t:\n%s", pod.Name, previous, text)
				}
			}
		}
	}
	if leases, err := s.client.CoordinationV1().Leases(s.namespace).List(ctx, metav1.ListOptions{}); err == nil {
		for _, lease := range leases.Items {
			lease.ManagedFields = nil
			s.log("Lease", lease)
		}
	}
	if slices, err := s.client.DiscoveryV1().EndpointSlices(s.namespace).List(ctx, metav1.ListOptions{}); err == nil {
		for _, slice := range slices.Items {
			slice.ManagedFields = nil
			s.log("EndpointSlice", slice)
		}
	}
	if events, err := core.Events(s.namespace).List(ctx, metav1.ListOptions{}); err == nil {
		for _, e := range events.Items {
			s.t.Logf("event %s %s/%s: %s", e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message)
		}
	}
	if runs, err := s.readRuns(ctx); err == nil {
		for _, r := range runs {
			s.t.Logf("%s, last seen at %s, ended %t, longest silence %s", r, r.Last, r.Ended, r.Silence)
		}
	}
}

func (s *scenario) log(what string, object any) {
	text, err := yaml.Marshal(object)
	if err != nil {
		s.t.Logf("%s: %v", what, err)
		return
	}
	s.t.Logf("%s:\n%s", what, text)
}
