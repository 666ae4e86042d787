package kube

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/validation"
)

// PodLabel is a label that tells the leader's Pod from the others, for Services
// that select by it. The zero value is none.
type PodLabel struct {
	Key, Leader, Standby string
}

// ParsePodLabel reads KEY, KEY=LEADER or KEY=LEADER/STANDBY; the values are
// `leader` and `standby` where they are not given. The error does not repeat the
// text.
func ParsePodLabel(text string) (PodLabel, error) {
	label := PodLabel{Leader: "leader", Standby: "standby"}
	key, values, given := strings.Cut(text, "=")
	label.Key = key
	if given {
		leader, standby, both := strings.Cut(values, "/")
		label.Leader = leader
		if both {
			label.Standby = standby
		}
	}
	for _, value := range []string{label.Leader, label.Standby} {
		if value == "" || len(validation.IsValidLabelValue(value)) > 0 {
			return PodLabel{}, errors.New("not a label: want KEY=LEADER/STANDBY with values of letters, digits, dashes, dots and underscores")
		}
	}
	switch {
	case len(validation.IsQualifiedName(label.Key)) > 0:
		return PodLabel{}, errors.New("not a label: want a key such as example.org/role")
	case label.Leader == label.Standby:
		return PodLabel{}, errors.New("the values for the leader and for the others must differ")
	}
	return label, nil
}

// labelled is the destination in a label of Pods: ours alone says «leader».
type labelled struct {
	client *Client
	pod    Pod
	label  PodLabel
	log    *slog.Logger

	// mu orders writes of the own label; led: Publish has begun, so that what a
	// former container of this Pod has left is ours to write.
	mu  sync.Mutex
	led bool
}

func (l *labelled) String() string { return pods.object(l.pod.Namespace, l.pod.Name) }

func (l *labelled) kind() (resource, string, string) { return pods, l.pod.Namespace, l.pod.Name }

// begin takes away what a former container of this Pod may have left: it was the
// leader's perhaps, and this one stands by.
func (l *labelled) begin(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.led {
		return nil
	}
	return l.write(ctx, l.pod.Name, l.label.Standby, "")
}

// publish implements destination. Who led before has lost its Pod's label with
// its Pod, or is cut off and cannot take it away itself.
func (l *labelled) publish(ctx context.Context) error {
	l.mu.Lock()
	l.led = true
	err := l.write(ctx, l.pod.Name, l.label.Leader, "")
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if err := l.depose(ctx); err != nil {
		l.log.Warn("the Pod that led before may keep its label, and its share of the traffic", "err", err)
	}
	return nil
}

// published: publish was called.
func (l *labelled) published() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.led
}

// depose takes the label off all other Pods that have it, on the condition that
// they are still as they were read: a late write cannot harm a successor.
func (l *labelled) depose(ctx context.Context) error {
	text, err := l.client.do(ctx, request{
		client: l.client.others, method: http.MethodGet, verb: "list",
		resource: pods, namespace: l.pod.Namespace, name: l.pod.Name,
		query: map[string][]string{"labelSelector": {l.label.Key + "=" + l.label.Leader}},
	})
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Metadata labelledMeta `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	var errs []error
	for _, other := range list.Items {
		if other.Metadata.Name == l.pod.Name {
			continue
		}
		err := l.write(ctx, other.Metadata.Name, l.label.Standby, other.Metadata.ResourceVersion)
		if code(err) != http.StatusConflict && !isAbsent(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// holds implements destination.
func (l *labelled) holds(object []byte) bool {
	var there struct {
		Metadata labelledMeta `json:"metadata"`
	}
	return json.Unmarshal(object, &there) == nil && there.Metadata.Labels[l.label.Key] == l.label.Leader
}

// empty implements destination.
func (l *labelled) empty(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(ctx, l.pod.Name, l.label.Standby, "")
}

type labelledMeta struct {
	Name   string            `json:"name,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// ResourceVersion makes a write conditional.
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// write sets the label of a Pod, if it still has that revision; an empty one is
// no condition.
func (l *labelled) write(ctx context.Context, pod, value, revision string) error {
	_, err := l.client.do(ctx, request{
		client: l.client.others, method: http.MethodPatch, verb: "patch",
		resource: pods, namespace: l.pod.Namespace, name: pod, byName: true, contentType: contentMerge,
		query: map[string][]string{"fieldManager": {manager}},
		body: map[string]any{"metadata": labelledMeta{
			Labels: map[string]string{l.label.Key: value}, ResourceVersion: revision,
		}},
	})
	return err
}
