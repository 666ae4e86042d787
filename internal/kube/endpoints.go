package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// legacy is the destination in the v1 Endpoints object of the Service's name. It
// holds the addresses of both families; the control plane mirrors them into an
// EndpointSlice of each, unless it is told to skip that.
//
// It is written with create and update, not applied: these are the rights that
// Roles made for older tools have.
type legacy struct {
	client     *Client
	options    PublisherOptions
	skipMirror bool
	owner      func(context.Context) (*ownerReference, error)
}

type subset struct {
	Addresses []subsetAddress `json:"addresses,omitempty"`
	// NotReadyAddresses are read alone: they are never ours.
	NotReadyAddresses []subsetAddress `json:"notReadyAddresses,omitempty"`
	Ports             []Port          `json:"ports,omitempty"`
}

type subsetAddress struct {
	IP        string           `json:"ip"`
	NodeName  string           `json:"nodeName,omitempty"`
	TargetRef *targetReference `json:"targetRef,omitempty"`
}

func (l *legacy) String() string { return endpoints.object(l.options.Namespace, l.options.Service) }

func (l *legacy) kind() (resource, string, string) {
	return endpoints, l.options.Namespace, l.options.Service
}

// subsets is what the object says while this Pod is the destination.
func (l *legacy) subsets() []subset {
	var addresses []subsetAddress
	for _, address := range l.options.Addresses {
		addresses = append(addresses, subsetAddress{
			IP: address.String(), NodeName: l.options.NodeName, TargetRef: l.options.Pod.reference(),
		})
	}
	return []subset{{Addresses: addresses, Ports: l.options.Ports}}
}

func (l *legacy) get(ctx context.Context) (object, error) {
	text, err := l.client.do(ctx, request{
		client: l.client.others, method: http.MethodGet, verb: "get", needs: []string{"get", "watch", "update"},
		resource: endpoints, namespace: l.options.Namespace, name: l.options.Service, byName: true,
	})
	if err != nil {
		return nil, err
	}
	return parseObject(text)
}

// put writes the object with these subsets, on the condition that it is still as
// it was read. An absent one is made by POST, which fails where it exists.
func (l *legacy) put(ctx context.Context, before object, subsets []subset) error {
	r := request{
		client: l.client.others, method: http.MethodPut, verb: "update",
		resource: endpoints, namespace: l.options.Namespace, name: l.options.Service, byName: true,
		query: map[string][]string{"fieldManager": {manager}}, contentType: contentJSON,
	}
	if before == nil {
		r.method, r.verb, r.byName = http.MethodPost, "create", false
	}
	o := object(clone(map[string]any(before)))
	o["apiVersion"], o["kind"] = endpoints.apiVersion(), endpoints.kind
	meta := clone(o["metadata"])
	meta["namespace"], meta["name"] = l.options.Namespace, l.options.Service
	labels := clone(meta["labels"])
	put(labels, skipMirrorLabel, "true", l.skipMirror)
	meta["labels"] = labels
	if before == nil {
		owner, err := l.owner(ctx)
		if err != nil {
			return err
		}
		if owner != nil {
			meta["ownerReferences"] = []ownerReference{*owner}
		}
	}
	o["metadata"], o["subsets"] = meta, subsets
	r.body = o
	_, err := l.client.do(ctx, r)
	return err
}

// publish implements destination.
func (l *legacy) publish(ctx context.Context) error {
	before, err := l.get(ctx)
	if err != nil && !isAbsent(err) {
		return err
	}
	return l.put(ctx, before, l.subsets())
}

// holds implements destination.
func (l *legacy) holds(text []byte) bool {
	o, subsets, ok := readEndpoints(text)
	return ok && (labels(o)[skipMirrorLabel] == "true") == l.skipMirror && sameSubsets(subsets, l.subsets())
}

// empty implements destination.
func (l *legacy) empty(ctx context.Context) error {
	before, err := l.get(ctx)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(before)
	if err != nil {
		return err
	}
	if _, subsets, ok := readEndpoints(text); !ok || !sameSubsets(subsets, l.subsets()) {
		return nil
	}
	if uid, _ := before.metadata()["uid"].(string); uid == "" || before.version() == "" {
		return fmt.Errorf("get %s: %w", l, errUnconditional)
	}
	err = l.put(ctx, before, []subset{})
	if code(err) == http.StatusConflict {
		return nil // it is somebody else's now
	}
	return err
}

func readEndpoints(text []byte) (object, []subset, bool) {
	o, err := parseObject(text)
	if err != nil {
		return nil, nil, false
	}
	var content struct {
		Subsets []subset `json:"subsets"`
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, nil, false
	}
	return o, content.Subsets, true
}

// sameSubsets compares what leads the traffic. The API server sorts the
// addresses of a subset in an order of its own.
func sameSubsets(there, want []subset) bool {
	if len(there) != 1 || len(there[0].NotReadyAddresses) > 0 || len(there[0].Addresses) != len(want[0].Addresses) ||
		!sameJSON(append([]Port{}, there[0].Ports...), append([]Port{}, want[0].Ports...)) {
		return false
	}
	byIP := func(s subset) map[string]subsetAddress {
		all := map[string]subsetAddress{}
		for _, address := range s.Addresses {
			all[address.IP] = address
		}
		return all
	}
	return sameJSON(byIP(there[0]), byIP(want[0]))
}

func labels(o object) map[string]any { return clone(clone(o["metadata"])["labels"]) }

// mirrored tells whether the control plane makes EndpointSlices from an
// Endpoints object.
func mirrored(o object) bool {
	_, elects := clone(clone(o["metadata"])["annotations"])[leaderAnnotation]
	l := labels(o)
	return !elects && l[skipMirrorLabel] != "true" && l["endpoints.kubernetes.io/managed-by"] != "endpoint-controller"
}
