package kube

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

const (
	// announcements that wait while the API server does not answer; more are
	// dropped.
	announcements = 16
	// lastWords is how long Run goes on after its context, for what was said
	// just before.
	lastWords = time.Second
	// announceTimeout bounds one Event.
	announceTimeout = 10 * time.Second
)

// Announcer writes Events about the Pod. It implements gate.Announcer. Events
// are lost where the rights for them are missing, the API server does not
// answer, or too many wait.
type Announcer struct {
	client *Client
	pod    Pod
	log    *slog.Logger
	queue  chan announcement
}

var _ gate.Announcer = (*Announcer)(nil)

type announcement struct {
	reason, message string
	at              time.Time
}

// NewAnnouncer announces nothing where the Pod has no name or no namespace.
// Nothing is sent without Run.
func NewAnnouncer(c *Client, pod Pod, logger *slog.Logger) *Announcer {
	return &Announcer{client: c, pod: pod, log: logger, queue: make(chan announcement, announcements)}
}

// Announce implements gate.Announcer. It never waits.
func (a *Announcer) Announce(reason, message string) {
	if a.pod.Name == "" || a.pod.Namespace == "" {
		return
	}
	select {
	case a.queue <- announcement{reason: reason, message: message, at: time.Now()}:
	default:
		a.log.Debug("event dropped, too many wait", "reason", reason)
	}
}

// Run sends until ctx ends, then for a second what is still waiting, and
// returns nil. To be called once. After a refusal it sends nothing more: that
// costs one line for the process.
func (a *Announcer) Run(ctx context.Context) error {
	limited, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, cancel) })()
	permitted := true
	for limited.Err() == nil {
		var n announcement
		select {
		case n = <-a.queue:
		default:
			select {
			case n = <-a.queue:
			case <-ctx.Done():
				return nil // and nothing waits
			}
		}
		if !permitted {
			continue
		}
		if err := a.send(limited, n); err != nil {
			a.log.Debug("event not written", "reason", n.reason, "err", err)
			permitted = !isForbidden(err)
		}
	}
	return nil
}

func (a *Announcer) send(ctx context.Context, n announcement) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	at := n.at.UTC().Format(time.RFC3339)
	_, err := a.client.do(ctx, request{
		client: a.client.others, method: http.MethodPost, verb: "create",
		resource: events, namespace: a.pod.Namespace, name: a.pod.Name, contentType: contentJSON,
		body: map[string]any{
			"apiVersion": events.apiVersion(), "kind": events.kind,
			"metadata": map[string]any{"namespace": a.pod.Namespace, "generateName": a.pod.Name + "."},
			"involvedObject": map[string]any{
				"apiVersion": "v1", "kind": "Pod", "namespace": a.pod.Namespace, "name": a.pod.Name, "uid": a.pod.UID,
			},
			"type": "Normal", "reason": n.reason, "message": n.message, "action": n.reason,
			"source":         map[string]any{"component": manager},
			"firstTimestamp": at, "lastTimestamp": at, "count": 1,
			"reportingComponent": manager, "reportingInstance": a.pod.Name,
		},
	})
	return err
}
