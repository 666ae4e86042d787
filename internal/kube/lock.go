package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// Where the hints of a record are kept (elector.Record).
const (
	instanceAnnotation = "k8s-await-election/instance"
	heirAnnotation     = "k8s-await-election/heir"
)

// Lock keeps an election's record in one object. It implements elector.Lock.
type Lock struct {
	client          *Client
	resource        resource
	codec           codec
	namespace, name string
}

var _ elector.Lock = (*Lock)(nil)

// Lease is the lock in a coordination.k8s.io/v1 Lease: its spec, field for field
// as client-go writes it.
func (c *Client) Lease(namespace, name string) *Lock {
	return &Lock{client: c, resource: leases, codec: leaseCodec{}, namespace: namespace, name: name}
}

// ConfigMap is the lock in an annotation of a ConfigMap, as client-go kept it up
// to 0.23.
func (c *Client) ConfigMap(namespace, name string) *Lock {
	return &Lock{client: c, resource: configMaps, codec: annotationCodec{}, namespace: namespace, name: name}
}

// Endpoints is the lock in an annotation of an Endpoints object, as client-go
// kept it up to 0.23.
func (c *Client) Endpoints(namespace, name string) *Lock {
	return &Lock{client: c, resource: endpoints, codec: annotationCodec{}, namespace: namespace, name: name}
}

// String implements elector.Lock.
func (l *Lock) String() string { return l.resource.object(l.namespace, l.name) }

// Read implements elector.Lock.
func (l *Lock) Read(ctx context.Context) (elector.Observation, error) {
	text, err := l.client.do(ctx, request{
		client: l.client.writes, method: http.MethodGet, verb: "get",
		resource: l.resource, namespace: l.namespace, name: l.name, byName: true,
	})
	if isAbsent(err) {
		return elector.Observation{}, nil
	}
	if err != nil {
		return elector.Observation{}, err
	}
	return l.parse(text)
}

// Write implements elector.Lock.
//
// It sends one request. net/http repeats a PUT or POST in one case alone: the
// idle connection it had chosen turns out to be closed before the first byte was
// written. That is harmless: of the first attempt nothing left this machine, so
// the outcome is that of the second, and a T0 read before Write was called lies
// before both.
//
// ConfigMaps and Endpoints are created by POST: the API server lets a PUT
// without resourceVersion replace them where they exist.
func (l *Lock) Write(ctx context.Context, from elector.Observation, to elector.Record) (elector.Observation, error) {
	r := request{
		client: l.client.writes, method: http.MethodPut, verb: "update",
		resource: l.resource, namespace: l.namespace, name: l.name, byName: true,
		contentType: contentJSON,
	}
	before := object{}
	switch {
	case from.Exists:
		known, ok := from.Origin.(object)
		if !ok {
			return elector.Observation{}, fmt.Errorf("update %s: the observation is not one of this lock", l)
		}
		before = known
	case l.resource == leases:
		// RBAC asks for update first, then, as the object is absent, for create.
		r.verb, r.needs = "create", []string{"create", "update"}
	default:
		r.method, r.verb, r.byName = http.MethodPost, "create", false
	}
	r.body = l.compose(before, to)
	text, err := l.client.do(ctx, r)
	if err != nil {
		if l.conflict(err, !from.Exists) {
			return elector.Observation{}, fmt.Errorf("%s %s: %w", r.verb, l, elector.ErrConflict)
		}
		return elector.Observation{}, err
	}
	return l.parse(text)
}

// conflict tells whether a write's answer says that the lock was not what the
// write started from.
func (l *Lock) conflict(err error, creating bool) bool {
	e := answered(err)
	switch {
	case e == nil:
		return false
	case e.code == http.StatusConflict:
		return true
	case creating:
		return e.exists()
	default:
		return e.absent()
	}
}

// compose is the object to send: `before` with another record. uid and
// resourceVersion, the write's condition, are among what is kept.
func (l *Lock) compose(before object, to elector.Record) object {
	o := object(clone(map[string]any(before)))
	o["apiVersion"], o["kind"] = l.resource.apiVersion(), l.resource.kind
	l.codec.write(o, to)
	meta := clone(o["metadata"])
	meta["namespace"], meta["name"] = l.namespace, l.name
	annotations := clone(meta["annotations"])
	put(annotations, instanceAnnotation, to.Instance, to.Instance != "")
	put(annotations, heirAnnotation, to.Heir, to.Heir != "")
	put(meta, "annotations", annotations, len(annotations) > 0)
	o["metadata"] = meta
	return o
}

// parse reads an answer.
func (l *Lock) parse(text []byte) (elector.Observation, error) {
	o, err := parseObject(text)
	if err != nil {
		return elector.Observation{}, fmt.Errorf("read %s: the answer is no object", l)
	}
	return l.observe(o)
}

// observe reads an object that is or was there.
func (l *Lock) observe(o object) (elector.Observation, error) {
	revision, err := o.revision()
	if err != nil {
		return elector.Observation{}, fmt.Errorf("read %s: %w", l, err)
	}
	record, spec, err := l.codec.read(o)
	if err != nil {
		return elector.Observation{}, fmt.Errorf("read %s: the record in it has fields of other types", l)
	}
	annotations := o.annotations()
	record.Instance, _ = annotations[instanceAnnotation].(string)
	record.Heir, _ = annotations[heirAnnotation].(string)
	return elector.Observation{Exists: true, Revision: revision, Record: record, Spec: spec, Origin: o}, nil
}

// Watch implements elector.Lock. A state that is delivered twice in a row by the
// server, as after a resumption, is delivered once.
func (l *Lock) Watch(ctx context.Context, deliver func(elector.Observation)) error {
	return l.client.watch(ctx, l.resource, l.namespace, l.name, func(s state) error {
		if !s.exists {
			deliver(elector.Observation{Revision: s.revision, Follows: s.follows})
			return nil
		}
		seen, err := l.observe(s.object)
		if err != nil {
			return err
		}
		seen.Follows = s.follows
		deliver(seen)
		return nil
	})
}

func parseObject(text []byte) (object, error) {
	var o object
	if err := parseJSON(text, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("null")
	}
	return o, nil
}

// parseJSON keeps numbers as they were written.
func parseJSON(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

func parseRevision(version string) (uint64, error) {
	revision, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0, errors.New("its resourceVersion is no decimal number, so that changes cannot be put in order (KEP-5504): this API server cannot keep the election")
	}
	return revision, nil
}
