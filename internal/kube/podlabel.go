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

const (
	// lockAnnotation says which election a Pod was labelled for. Others may use the
	// same key: their Pods are left alone.
	lockAnnotation = manager + "/lock"
	// revisionAnnotation says what the Pod's revision was when its label was
	// written. It differs each time, so that each write changes the Pod, even where
	// the label stays as it was.
	revisionAnnotation = manager + "/label-revision"
)

// beginPatience is how long one try of begin may take: publish waits for it.
const beginPatience = 2 * time.Second

// labelled is the destination in a label of Pods: of those of one election, ours
// alone says «leader».
//
// A request that was given up may still reach the API server, or take effect there,
// long after. So each write is for one revision of the Pod, which was seen before,
// and changes it: once a write has succeeded, no earlier one can.
type labelled struct {
	client *Client
	pod    Pod
	label  PodLabel
	lock   string
	log    *slog.Logger
	told   sync.Once

	// turn orders writes of the own label: who has its element may write.
	turn chan struct{}
	// settled: no earlier write of the own label can take effect any more. It is
	// changed in turn. At first there may be one of a former container.
	settled bool
	// shows: the label may say «leader».
	shows atomic.Bool

	mu sync.Mutex
	// leads: it is to say so; stand ends what keeps it from that.
	leads bool
	stand context.CancelFunc
}

// lead has the label say «leader» from now on, rather than «standby».
func (l *labelled) lead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leads = true
	if l.stand != nil {
		l.stand()
	}
}

// leave is the opposite of lead.
func (l *labelled) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leads = false
}

func (l *labelled) isLeading() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leads
}

// standing returns a context that ends with ctx, or by lead.
func (l *labelled) standing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stand = stop; l.leads {
		stop()
	}
	return ctx, stop
}

func newLabelled(c *Client, options PublisherOptions, log *slog.Logger) *labelled {
	l := &labelled{client: c, pod: options.Pod, label: options.Label, lock: options.Lock, log: log, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

func (l *labelled) String() string { return l.named(l.label.Leader) }

func (l *labelled) named(value string) string {
	return fmt.Sprintf("%s (%s=%s)", pods.object(l.pod.Namespace, l.pod.Name), l.label.Key, value)
}

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

// lower has the own label say that this Pod stands by.
func (l *labelled) lower(ctx context.Context) error {
	err := l.set(ctx, l.label.Standby)
	if err == nil {
		l.shows.Store(false)
	}
	return err
}

// set has the own label say value, in turn. It needs the right to patch alone, for
// a patch that changes nothing tells how the Pod is.
func (l *labelled) set(ctx context.Context, value string) error {
	return hurry(ctx, func() (again bool, err error) {
		there, err := l.patch(ctx, l.pod.Name, labelledMeta{})
		if err != nil || l.settled && there.Labels[l.label.Key] == value && there.Annotations[lockAnnotation] == l.lock {
			return false, err
		}
		l.settled = false
		err = l.write(ctx, there, value)
		l.settled = err == nil
		return code(err) == http.StatusConflict, err // its kubelet writes too
	})
}

// standby is the destination of a Pod that stands by: it takes away what this
// process, or a former container, may have left, and what others put there.
type standby struct{ *labelled }

func (s standby) String() string { return s.named(s.label.Standby) }

// publish implements destination.
func (s standby) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beginPatience)
	defer cancel()
	return s.inTurn(ctx, func() error {
		if s.isLeading() {
			return nil
		}
		return s.lower(ctx)
	})
}

// holds implements destination.
func (s standby) holds(object []byte) bool { return s.says(object, s.label.Standby) }

// empty implements destination.
func (s standby) empty(context.Context) error { return nil }

// publish implements destination. Who led before has lost its Pod's label with
// its Pod, or is cut off and cannot take it away itself.
func (l *labelled) publish(ctx context.Context) error {
	err := l.inTurn(ctx, func() error {
		l.shows.Store(true) // also if no answer comes
		return l.set(ctx, l.label.Leader)
	})
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
// successor that came after the read; one that came before it puts its label right
// again, as after any edit. It looks again until there is none.
func (l *labelled) depose(ctx context.Context) error {
	return hurry(ctx, func() (again bool, err error) {
		others, err := l.others(ctx)
		if err != nil {
			return false, err
		}
		for _, other := range others {
			err := l.write(ctx, other, l.label.Standby)
			if err != nil && code(err) != http.StatusConflict && !isAbsent(err) {
				return false, err
			}
		}
		if len(others) == 0 {
			return false, nil
		}
		return true, fmt.Errorf("take the label %s=%s off %s: something keeps putting it back, or keeps changing the Pod: look at its managedFields, and for an admission webhook",
			l.label.Key, l.label.Leader, pods.object(l.pod.Namespace, others[0].Name))
	})
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
		m := item.Metadata
		if m.Name == l.pod.Name || m.Annotations[lockAnnotation] != l.lock {
			continue
		}
		if m.Name == "" || m.ResourceVersion == "" {
			return nil, fmt.Errorf("list pods of %s: %w", l.pod.Namespace, errUnconditional)
		}
		others = append(others, m)
	}
	return others, nil
}

// holds implements destination.
func (l *labelled) holds(object []byte) bool { return l.says(object, l.label.Leader) }

func (l *labelled) says(object []byte, value string) bool {
	var there struct {
		Metadata labelledMeta `json:"metadata"`
	}
	return json.Unmarshal(object, &there) == nil && there.Metadata.Labels[l.label.Key] == value
}

// empty implements destination. From its begin on standby does the same.
func (l *labelled) empty(ctx context.Context) error {
	l.leave()
	return l.inTurn(ctx, func() error { return l.lower(ctx) })
}

type labelledMeta struct {
	Name        string            `json:"name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// ResourceVersion makes a write conditional.
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// write sets the label of a Pod, if it still is as it was seen.
func (l *labelled) write(ctx context.Context, seen labelledMeta, value string) error {
	_, err := l.patch(ctx, seen.Name, labelledMeta{
		Labels:          map[string]string{l.label.Key: value},
		Annotations:     map[string]string{lockAnnotation: l.lock, revisionAnnotation: seen.ResourceVersion},
		ResourceVersion: seen.ResourceVersion,
	})
	return err
}

// patch returns what the Pod is after it.
func (l *labelled) patch(ctx context.Context, pod string, meta labelledMeta) (labelledMeta, error) {
	text, err := l.client.do(ctx, request{
		client: l.client.others, method: http.MethodPatch, verb: "patch",
		resource: pods, namespace: l.pod.Namespace, name: pod, byName: true, contentType: contentMerge,
		query: map[string][]string{"fieldManager": {manager}},
		body:  map[string]any{"metadata": meta},
	})
	if pod == l.pod.Name && isAbsent(err) {
		return labelledMeta{}, noPodError{err}
	}
	if err != nil {
		return labelledMeta{}, err
	}
	var there struct {
		Metadata labelledMeta `json:"metadata"`
	}
	if err := json.Unmarshal(text, &there); err != nil || there.Metadata.ResourceVersion == "" {
		return labelledMeta{}, fmt.Errorf("patch %s: the answer is not a Pod", pods.object(l.pod.Namespace, pod))
	}
	return there.Metadata, nil
}

// noPodError: there is no Pod of the name that this process was given.
type noPodError struct{ error }

func (e noPodError) Error() string {
	return e.error.Error() + ": set the Pod's name and namespace from the fields metadata.name and metadata.namespace"
}

func (e noPodError) Unwrap() error { return e.error }

// RetryAfter is long: a wrong name stays wrong.
func (noPodError) RetryAfter() time.Duration { return refusedPause }
