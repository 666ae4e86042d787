package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// state is an object at one moment. Absent: object is nil, and revision one at
// which it was absent. follows: there was no other since the one delivered before.
type state struct {
	exists   bool
	revision uint64
	object   object
	follows  bool
}

// watchPause is the least time between the starts of two streams, so that a
// proxy that ends every stream at once is not flooded.
const watchPause = time.Second

var (
	// errExpired: the server no longer knows the changes since a revision.
	errExpired = errors.New("the server has forgotten the changes since then")
	// errNoInitialEvents: the server does not stream initial events.
	errNoInitialEvents = errors.New("initial events are not supported")
)

// watch delivers the present state of one object and then each change, until ctx
// ends, deliver fails, or the stream breaks, and returns why. Streams that the
// server ends in good order are resumed.
func (c *Client) watch(ctx context.Context, res resource, namespace, name string, deliver func(state) error) error {
	w := watcher{client: c, resource: res, namespace: namespace, name: name, deliver: deliver}
	for {
		started := time.Now()
		switch err := w.stream(ctx); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errExpired):
			w.resume = ""
		case errors.Is(err, errNoInitialEvents):
			w.listFirst = true
			continue
		case err != nil:
			return err
		}
		if !sleep(ctx, watchPause-time.Since(started)) {
			return context.Cause(ctx)
		}
	}
}

// sleep waits for d, or less if ctx ends; false then.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

type watcher struct {
	client          *Client
	resource        resource
	namespace, name string
	deliver         func(state) error

	// resume is the resourceVersion up to which everything has been delivered;
	// empty: begin with the present state.
	resume string
	// listFirst: the present state comes from a list.
	listFirst bool

	delivered bool
	last      state
	// gapless: every state since `last` would have been told.
	gapless bool
}

func (w *watcher) request(verb string, query url.Values) request {
	query.Set("fieldSelector", "metadata.name="+w.name)
	return request{
		client: w.client.watches, method: http.MethodGet, verb: verb,
		resource: w.resource, namespace: w.namespace, name: w.name, byName: true, query: query,
	}
}

// stream follows one stream to its end; nil is an end in good order.
func (w *watcher) stream(ctx context.Context) error {
	if w.resume == "" && w.listFirst {
		w.gapless = false
		if err := w.list(ctx); err != nil {
			return err
		}
	}
	query := url.Values{"watch": {"true"}, "allowWatchBookmarks": {"true"}}
	beginning := w.resume == ""
	if beginning {
		w.gapless = false
		query.Set("sendInitialEvents", "true")
		query.Set("resourceVersionMatch", string(metav1.ResourceVersionMatchNotOlderThan))
	} else {
		query.Set("resourceVersion", w.resume)
	}
	answer, err := w.client.open(ctx, w.request("watch", query))
	switch code := code(err); {
	case err == nil:
	case code == http.StatusGone:
		return errExpired
	case beginning && (code == http.StatusBadRequest || code == http.StatusUnprocessableEntity):
		return errNoInitialEvents
	default:
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return w.follow(answer.Body, beginning)
}

// follow reads events. While the initial ones come, an object that is absent
// shows only by their end, and no position is known to resume from.
func (w *watcher) follow(body io.Reader, beginning bool) error {
	events := json.NewDecoder(body)
	events.UseNumber()
	found := false
	for {
		// Parsed once: each change wakes all candidates, and those of a machine
		// take turns.
		var event struct {
			Type   string `json:"type"`
			Object object `json:"object"`
		}
		err := events.Decode(&event)
		if err == io.EOF { //nolint:errorlint // Decode returns it as it is
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch %s: %w", w.resource.object(w.namespace, w.name), err)
		}
		if event.Type == "ERROR" {
			return w.eventError(event.Object)
		}
		revision, err := event.Object.revision()
		if err != nil {
			return fmt.Errorf("watch %s: %w", w.resource.object(w.namespace, w.name), err)
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			found = true
			err = w.tell(state{exists: true, revision: revision, object: event.Object})
		case "DELETED":
			err = w.tell(state{revision: revision})
		case "BOOKMARK":
			if beginning && event.Object.annotations()[metav1.InitialEventsAnnotationKey] == "true" {
				beginning = false
				if !found {
					err = w.tell(state{revision: revision})
				}
			}
		}
		if err != nil {
			return err
		}
		if !beginning {
			w.resume = event.Object.version()
		}
	}
}

func (w *watcher) eventError(o object) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	status := parseStatus(text)
	if status.Code == http.StatusGone {
		return errExpired
	}
	return &answerError{request: w.request("watch", url.Values{}), code: int(status.Code), status: status}
}

// list delivers the present state and notes where to go on.
func (w *watcher) list(ctx context.Context) error {
	text, err := w.client.do(ctx, w.request("list", url.Values{}))
	if err != nil {
		return err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []object `json:"items"`
	}
	if err := parseJSON(text, &list); err != nil {
		return fmt.Errorf("list %s: the answer is no list", w.resource.object(w.namespace, w.name))
	}
	revision, err := parseRevision(list.Metadata.ResourceVersion)
	if err != nil {
		return fmt.Errorf("list %s: %w", w.resource.object(w.namespace, w.name), err)
	}
	if len(list.Items) == 0 {
		err = w.tell(state{revision: revision})
	} else {
		if revision, err = list.Items[0].revision(); err != nil {
			return fmt.Errorf("list %s: %w", w.resource.object(w.namespace, w.name), err)
		}
		err = w.tell(state{exists: true, revision: revision, object: list.Items[0]})
	}
	w.resume = list.Metadata.ResourceVersion
	return err
}

// tell delivers what has not been delivered yet. An object that is absent after a
// gap, as it was before, may have been there meanwhile.
func (w *watcher) tell(s state) error {
	known := w.delivered && w.last.exists == s.exists && (w.last.revision == s.revision || !s.exists && w.gapless)
	s.follows, w.gapless = w.gapless, true
	if known {
		return nil
	}
	w.delivered, w.last = true, state{exists: s.exists, revision: s.revision}
	return w.deliver(s)
}
