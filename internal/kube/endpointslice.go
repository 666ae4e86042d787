package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync/atomic"
)

const (
	// manager is who owns fields, objects and Events.
	manager = "k8s-await-election"

	serviceLabel    = "kubernetes.io/service-name"
	managedByLabel  = "endpointslice.kubernetes.io/managed-by"
	skipMirrorLabel = "endpointslice.kubernetes.io/skip-mirror"
	mirrorManager   = "endpointslicemirroring-controller.k8s.io"
)

// sliceBody is what an EndpointSlice of ours says. It is sent, and compared with
// what is there.
type sliceBody struct {
	APIVersion  string          `json:"apiVersion"`
	Kind        string          `json:"kind"`
	Metadata    sliceMeta       `json:"metadata"`
	AddressType string          `json:"addressType"`
	Endpoints   []sliceEndpoint `json:"endpoints"`
	Ports       []Port          `json:"ports"`
}

type sliceMeta struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	Labels          map[string]string `json:"labels"`
	OwnerReferences []ownerReference  `json:"ownerReferences,omitempty"`
	// UID and ResourceVersion make a write conditional.
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

type ownerReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

type sliceEndpoint struct {
	Addresses  []string         `json:"addresses"`
	Conditions map[string]bool  `json:"conditions"`
	TargetRef  *targetReference `json:"targetRef,omitempty"`
	NodeName   string           `json:"nodeName,omitempty"`
}

type targetReference struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// slice is the destination in one EndpointSlice, of one address family.
type slice struct {
	client      *Client
	options     PublisherOptions
	name        string
	addressType string
	address     netip.Addr
	owner       func(context.Context) (*ownerReference, error)
	// plain: no right to apply, but one to create and update.
	plain atomic.Bool
}

func newSlice(c *Client, options PublisherOptions, address netip.Addr, owner func(context.Context) (*ownerReference, error)) *slice {
	s := &slice{client: c, options: options, name: options.Service + "-ipv4", addressType: "IPv4", address: address, owner: owner}
	if address.Is6() {
		s.name, s.addressType = options.Service+"-ipv6", "IPv6"
	}
	return s
}

func (s *slice) String() string { return endpointSlices.object(s.options.Namespace, s.name) }

func (s *slice) kind() (resource, string, string) {
	return endpointSlices, s.options.Namespace, s.name
}

// body is the slice with this Pod as its one endpoint.
func (s *slice) body() sliceBody {
	return sliceBody{
		APIVersion: endpointSlices.apiVersion(), Kind: endpointSlices.kind,
		Metadata: sliceMeta{
			Name: s.name, Namespace: s.options.Namespace,
			Labels: map[string]string{serviceLabel: s.options.Service, managedByLabel: manager},
		},
		AddressType: s.addressType,
		Endpoints: []sliceEndpoint{{
			Addresses:  []string{s.address.String()},
			Conditions: map[string]bool{"ready": true, "serving": true, "terminating": false},
			TargetRef:  s.options.Pod.reference(),
			NodeName:   s.options.NodeName,
		}},
		Ports: append([]Port{}, s.options.Ports...),
	}
}

// publish implements destination: it makes this Pod the slice's one endpoint,
// whatever is there.
func (s *slice) publish(ctx context.Context) error {
	body := s.body()
	owner, err := s.owner(ctx)
	if err != nil {
		return err
	}
	if owner != nil {
		body.Metadata.OwnerReferences = []ownerReference{*owner}
	}
	if !s.plain.Load() {
		err := s.apply(ctx, body)
		if !isForbidden(err) || s.replace(ctx, body) != nil {
			return err
		}
		s.plain.Store(true)
		return nil
	}
	return s.replace(ctx, body)
}

func (s *slice) apply(ctx context.Context, body sliceBody) error {
	_, err := s.client.do(ctx, request{
		client: s.client.others, method: http.MethodPatch, verb: "patch", needs: []string{"get", "watch", "create", "patch"},
		resource: endpointSlices, namespace: s.options.Namespace, name: s.name, byName: true,
		query: map[string][]string{"fieldManager": {manager}, "force": {"true"}}, contentType: contentApply, body: body,
	})
	return err
}

// replace does what apply does with the verbs create and update, which are what
// Roles made for LINBIT's tool permit.
func (s *slice) replace(ctx context.Context, body sliceBody) error {
	r := request{
		client: s.client.others, method: http.MethodPut, verb: "update",
		resource: endpointSlices, namespace: s.options.Namespace, name: s.name, byName: true,
		query: map[string][]string{"fieldManager": {manager}}, contentType: contentJSON, body: body,
	}
	_, err := s.client.do(ctx, r)
	if isAbsent(err) {
		r.method, r.verb, r.byName = http.MethodPost, "create", false
		_, err = s.client.do(ctx, r)
	}
	return err
}

// holds implements destination.
func (s *slice) holds(object []byte) bool {
	var there sliceBody
	if json.Unmarshal(object, &there) != nil {
		return false
	}
	want := s.body()
	for key, value := range want.Metadata.Labels {
		if there.Metadata.Labels[key] != value {
			return false
		}
	}
	return sameJSON(want.Endpoints, there.Endpoints) && sameJSON(want.Ports, append([]Port{}, there.Ports...))
}

// empty implements destination. Its write is on the condition that the slice is
// still the one that was read: a late one cannot remove a successor.
func (s *slice) empty(ctx context.Context) error {
	text, err := s.client.do(ctx, request{
		client: s.client.others, method: http.MethodGet, verb: "get",
		resource: endpointSlices, namespace: s.options.Namespace, name: s.name, byName: true,
	})
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var there sliceBody
	if err := json.Unmarshal(text, &there); err != nil {
		return err
	}
	if !sameJSON(s.body().Endpoints, there.Endpoints) {
		return nil
	}
	if there.Metadata.UID == "" || there.Metadata.ResourceVersion == "" {
		return fmt.Errorf("get %s: %w", s, errUnconditional)
	}
	body := s.body()
	body.Endpoints = []sliceEndpoint{}
	body.Metadata.OwnerReferences = there.Metadata.OwnerReferences
	body.Metadata.UID, body.Metadata.ResourceVersion = there.Metadata.UID, there.Metadata.ResourceVersion
	if s.plain.Load() {
		err = s.replace(ctx, body)
	} else {
		err = s.apply(ctx, body)
	}
	if code(err) == http.StatusConflict {
		return nil // it is somebody else's now
	}
	return err
}

func sameJSON(a, b any) bool {
	one, err1 := json.Marshal(a)
	two, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(one, two)
}
