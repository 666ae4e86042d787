package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// replica is a Pod of the release, and what its gate says of itself.
type replica struct {
	pod   corev1.Pod
	leads bool
	// token is the fencing token of one that leads.
	token string
}

// replicas are those of the Pods whose gates answer; it is an error where not
// exactly one of them leads, the one that the Lease names.
func (d *demo) replicas(ctx context.Context) (leader replica, standbys []replica, err error) {
	lease, err := d.lease(ctx)
	if err != nil {
		return leader, nil, err
	}
	pods, err := d.place.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + release})
	if err != nil {
		return leader, nil, err
	}
	for _, pod := range pods.Items {
		r := replica{pod: pod}
		if d.frozen != nil && d.frozen.Name == pod.Spec.NodeName {
			continue // it would be waited for
		}
		if err := d.askGate(ctx, &r); err != nil {
			continue
		}
		if r.leads != (pod.Name == holder(lease)) {
			return leader, nil, fmt.Errorf("the Lease is held by %q, while %s says of itself that it leads: %t", holder(lease), pod.Name, r.leads)
		}
		if r.leads {
			leader = r
		} else {
			standbys = append(standbys, r)
		}
	}
	if !leader.leads {
		return leader, nil, errors.New("nobody leads")
	}
	return leader, standbys, nil
}

// askGate asks by way of the API server, which works from everywhere.
func (d *demo) askGate(ctx context.Context, r *replica) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	text, err := d.place.client.CoreV1().RESTClient().Verb(http.MethodGet).Namespace(namespace).Resource("pods").
		Name(r.pod.Name + ":9999").SubResource("proxy").DoRaw(ctx)
	if err != nil {
		return err
	}
	var said struct {
		IsLeader     bool   `json:"is_leader"`
		FencingToken string `json:"fencing_token"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("%s answers %q: %w", r.pod.Name, text, err)
	}
	r.leads, r.token = said.IsLeader, said.FencingToken
	return nil
}

func (d *demo) lease(ctx context.Context) (*coordinationv1.Lease, error) {
	return d.place.client.CoordinationV1().Leases(namespace).Get(ctx, release, metav1.GetOptions{})
}

func holder(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// duration is how long the others wait after the holder's last renewal.
func duration(lease *coordinationv1.Lease) time.Duration {
	if lease.Spec.LeaseDurationSeconds == nil {
		return 0
	}
	return time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
}

// isReady is the kubelet's word.
func isReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}
