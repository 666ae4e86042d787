package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// lockAnnotation says which election a Pod was labelled for. Others may use the
// same key: their Pods are left alone.
const lockAnnotation = manager + "/lock"

// beginPatience is how long one try of begin may take: publish waits for it.
const beginPatience = 2 * time.Second

// labelled is the destination in a label of Pods: of those of one election, ours
// alone says «leader».
type labelled struct {
	client *Client
	pod    Pod
	label  PodLabel
	lock   string
	log    *slog.Logger
	told   sync.Once

	// turn orders writes of the own label: who has its element may write.
	turn chan struct{}
	// led: the label says «leader», or is about to.
	led atomic.Bool
}

func newLabelled(c *Client, options PublisherOptions, log *slog.Logger) *labelled {
	l := &labelled{client: c, pod: options.Pod, label: options.Label, lock: options.Lock, log: log, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

func (l *labelled) String() string { return pods.object(l.pod.Namespace, l.pod.Name) }

func (l *labelled) kind() (resource, string, string) { return pods, l.pod.Namespace, l.pod.Name }

// inTurn writes the own label, after whoever is at it.
func (l *labelled) inTurn(ctx context.Context, write func() error) error {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return fmt.Errorf("label %s: %w", l, context.Cause(ctx))
	}
	defer func() { l.turn <- struct{}{} }()
	return write()
}

// stepDown takes away what this process, or a former container of this Pod, may
// have left: it stands by.
func (l *labelled) stepDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beginPatience)
	defer cancel()
	return l.inTurn(ctx, func() error {
		if l.led.Load() {
			return nil
		}
		return l.write(ctx, l.pod.Name, l.label.Standby, "")
	})
}

// publish implements destination. Who led before has lost its Pod's label with
// its Pod, or is cut off and cannot take it away itself.
func (l *labelled) publish(ctx context.Context) error {
	l.led.Store(true)
	err := l.inTurn(ctx, func() error { return l.write(ctx, l.pod.Name, l.label.Leader, "") })
	if err != nil {
		return err
	}
	err = l.depose(ctx)
	if isForbidden(err) {
		l.told.Do(func() {
			l.log.Warn("the Pod that led before may keep its label, and its share of the traffic", "err", err)
		})
		return nil
	}
	return err
}

// depose takes the label off all other Pods of the election that have it, on the
// condition that they are still as they were read: a late write cannot harm a
// successor. It looks again until there is none.
func (l *labelled) depose(ctx context.Context) error {
	for {
		others, err := l.others(ctx)
		if err != nil || len(others) == 0 {
			return err
		}
		for _, other := range others {
			err := l.write(ctx, other.Name, l.label.Standby, other.ResourceVersion)
			if err != nil && code(err) != http.StatusConflict && !isAbsent(err) {
				return err
			}
		}
		if !sleep(ctx, time.Millisecond) { // their kubelets write too
			return context.Cause(ctx)
		}
	}
}

// others are the other Pods of this election that say «leader».
func (l *labelled) others(ctx context.Context) ([]labelledMeta, error) {
	text, err := l.client.do(ctx, request{
		client: l.client.others, method: http.MethodGet, verb: "list",
		resource: pods, namespace: l.pod.Namespace, name: l.pod.Name,
		query: map[string][]string{"labelSelector": {l.label.Key + "=" + l.label.Leader}},
	})
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata labelledMeta `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", l.pod.Namespace, err)
	}
	var others []labelledMeta
	for _, item := range list.Items {
		if m := item.Metadata; m.Name != l.pod.Name && m.Annotations[lockAnnotation] == l.lock {
			others = append(others, m)
		}
	}
	return others, nil
}

// holds implements destination.
func (l *labelled) holds(object []byte) bool {
	var there struct {
		Metadata labelledMeta `json:"metadata"`
	}
	return json.Unmarshal(object, &there) == nil && there.Metadata.Labels[l.label.Key] == l.label.Leader
}

// empty implements destination. From its begin on stepDown does the same.
func (l *labelled) empty(ctx context.Context) error {
	l.led.Store(false)
	return l.inTurn(ctx, func() error { return l.write(ctx, l.pod.Name, l.label.Standby, "") })
}

type labelledMeta struct {
	Name        string            `json:"name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
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
			Labels:          map[string]string{l.label.Key: value},
			Annotations:     map[string]string{lockAnnotation: l.lock},
			ResourceVersion: revision,
		}},
	})
	return err
}
