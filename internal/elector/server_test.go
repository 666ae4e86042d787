package elector

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// travel is how long a request takes to the server, and an answer back.
const travel = electortest.Travel

// fault is what happens to one request.
type fault = electortest.Fault

var errServer = electortest.ErrServer

// server keeps one lock as an API server does: uid and revision on every write,
// revisions that grow across deletions, no change for a write without a change.
type server struct {
	start time.Time

	mu       sync.Mutex
	revision uint64
	uids     int
	object   *object // nil: absent
	streams  map[*stream]struct{}
	requests []request
	// nameless: a watch that begins at an absent lock does not know its
	// revision, which the contract of Lock allows.
	nameless bool
	// webhook may change every record that is written, as admission webhooks do.
	webhook func(*Record)
}

type object struct {
	uid      int
	revision uint64
	record   Record
	// unknown are fields of the spec, labels those beside it, that no part of
	// this program knows.
	unknown, labels string
}

func newServer(start time.Time) *server {
	return &server{start: start, revision: 100, streams: map[*stream]struct{}{}}
}

// request is one request as it was sent.
type request struct {
	from string
	// kind is read, watch, create, acquire, renew, release or claim.
	kind string
	// nth counts the client's requests of this kind, from 1.
	nth  int
	sent time.Duration
	base Observation
	to   Record
}

func (s *server) now() time.Duration { return time.Since(s.start) }

// stored is a record as the API keeps it.
func stored(r Record) Record {
	r.LeaseDuration = (r.LeaseDuration + time.Second - 1) / time.Second * time.Second
	r.AcquireTime = r.AcquireTime.Truncate(time.Microsecond)
	r.RenewTime = r.RenewTime.Truncate(time.Microsecond)
	return r
}

// observe describes an object, which it copies.
func observe(o *object, absent uint64) Observation {
	if o == nil {
		return Observation{Revision: absent}
	}
	r := o.record
	return Observation{
		Exists:   true,
		Revision: o.revision,
		Record:   r,
		Spec: fmt.Sprint(r.HolderIdentity, "|", r.LeaseDuration, "|", r.AcquireTime.UnixMicro(), "|",
			r.RenewTime.UnixMicro(), "|", r.LeaseTransitions, "|", o.unknown),
		Origin: *o,
	}
}

// look is the present state.
func (s *server) look() Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return observe(s.object, 0)
}

// set makes o the present state in a new revision and tells the watchers.
// s.mu is held.
func (s *server) set(o *object) {
	s.revision++
	if o != nil {
		o.revision = s.revision
	}
	s.object = o
	s.tell(observe(o, s.revision))
}

func (s *server) tell(obs Observation) {
	for st := range s.streams {
		st.push(obs)
	}
}

// put is somebody else's write, without any condition.
func (s *server) put(r Record) Observation {
	return s.edit(func(o *object) { o.record = r })
}

// edit changes the object by hand, or makes it.
func (s *server) edit(change func(*object)) Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var o object
	if s.object != nil {
		o = *s.object
	} else {
		s.uids++
		o = object{uid: s.uids}
	}
	change(&o)
	o.record = stored(o.record)
	s.set(&o)
	return observe(s.object, 0)
}

func (s *server) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(nil)
}

// restore brings an earlier state back, its revision included.
func (s *server) restore(obs Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision = obs.Revision
	s.object = nil
	if obs.Exists {
		o := obs.Origin.(object)
		s.object = &o
	}
}

// intercept has a webhook change every record that is written from now on.
func (s *server) intercept(webhook func(*Record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhook = webhook
}

// write applies a conditional write.
func (s *server) write(from Observation, to Record) (Observation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next object
	switch {
	case !from.Exists && s.object != nil, from.Exists && s.object == nil:
		return Observation{}, fmt.Errorf("put: %w", ErrConflict)
	case !from.Exists:
		s.uids++
		next = object{uid: s.uids}
	default:
		base := from.Origin.(object)
		if base.uid != s.object.uid || base.revision != s.object.revision {
			return Observation{}, fmt.Errorf("put: %w", ErrConflict)
		}
		next = *s.object
	}
	next.record = stored(to)
	if s.webhook != nil {
		s.webhook(&next.record)
	}
	if s.object != nil && next == *s.object {
		return observe(s.object, 0), nil
	}
	s.set(&next)
	return observe(s.object, 0), nil
}

// of selects requests; an empty kind or name matches all.
func (s *server) of(from string, kinds ...string) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []request
	for _, r := range s.requests {
		if from != "" && r.from != from {
			continue
		}
		for _, kind := range kinds {
			if r.kind == kind {
				found = append(found, r)
			}
		}
		if len(kinds) == 0 {
			found = append(found, r)
		}
	}
	return found
}

// since selects what was sent at or after an instant.
func since(requests []request, at time.Duration) []request {
	for i, r := range requests {
		if r.sent >= at {
			return requests[i:]
		}
	}
	return nil
}

func times(requests []request) []time.Duration {
	found := make([]time.Duration, 0, len(requests))
	for _, r := range requests {
		found = append(found, r.sent)
	}
	return found
}

// story tells the last requests.
func (s *server) story() string {
	requests := s.of("")
	if len(requests) > 40 {
		requests = requests[len(requests)-40:]
	}
	var text strings.Builder
	for _, r := range requests {
		fmt.Fprintf(&text, "  %v %s %s from %d\n", r.sent, r.from, r.kind, r.base.Revision)
	}
	return text.String()
}

// refusal is an answer with a demand to wait.
type refusal struct{ wait time.Duration }

func (r refusal) Error() string             { return "too many requests" }
func (r refusal) RetryAfter() time.Duration { return r.wait }

// client is one process's Lock.
type client struct {
	s    *server
	name string

	mu      sync.Mutex
	script  func(request) fault
	counts  map[string]int
	flying  map[string]int
	highest map[string]int
	delay   time.Duration
}

func (s *server) connect(name string) *client {
	return &client{s: s, name: name, counts: map[string]int{}, flying: map[string]int{}, highest: map[string]int{}}
}

// on sets what happens to each request from now on; nil: nothing.
func (c *client) on(script func(request) fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script = script
}

// always is one fault for all requests of some kinds, all kinds where none is
// named.
func always(f fault, kinds ...string) func(request) fault {
	return func(r request) fault {
		for _, kind := range kinds {
			if r.kind == kind {
				return f
			}
		}
		if len(kinds) == 0 {
			return f
		}
		return fault{}
	}
}

// first is a fault for the next request of a kind.
func first(f fault, kind string) func(request) fault { return next(kind, f) }

// next are the faults of the next requests of a kind, in their order.
func next(kind string, faults ...fault) func(request) fault {
	var mu sync.Mutex
	return func(r request) fault {
		mu.Lock()
		defer mu.Unlock()
		if r.kind != kind || len(faults) == 0 {
			return fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// lag delays what the watch delivers.
func (c *client) lag(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

func (c *client) String() string { return "lock test" }

// send notes a request and tells what shall happen to it.
func (c *client) send(r request) (f fault, landed func()) {
	r.from, r.sent = c.name, c.s.now()
	c.mu.Lock()
	c.counts[r.kind]++
	r.nth = c.counts[r.kind]
	c.flying[r.kind]++
	c.highest[r.kind] = max(c.highest[r.kind], c.flying[r.kind])
	script := c.script
	c.mu.Unlock()
	c.s.mu.Lock()
	c.s.requests = append(c.s.requests, r)
	c.s.mu.Unlock()
	if script != nil {
		f = script(r)
	}
	return f, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flying[r.kind]--
	}
}

// request takes one request there and its answer back.
func (c *client) request(ctx context.Context, r request, apply func() (Observation, error)) (Observation, error) {
	f, landed := c.send(r)
	defer landed()
	if f.Idle {
		apply = func() (Observation, error) { return r.base, nil }
	}
	return electortest.Carry(ctx, f, apply)
}

func (c *client) Read(ctx context.Context) (Observation, error) {
	return c.request(ctx, request{kind: "read"}, func() (Observation, error) { return c.s.look(), nil })
}

func (c *client) Write(ctx context.Context, from Observation, to Record) (Observation, error) {
	r := request{kind: "acquire", base: from, to: to}
	mine := func(r Record) string {
		if i := markOf(r.Instance, r).Instance; i != nil {
			return i.Process
		}
		return ""
	}
	switch was := from.Record; {
	case from.Exists && was.HolderIdentity == to.HolderIdentity && was.RenewTime.Equal(to.RenewTime) && was.Heir != to.Heir:
		r.kind = "claim"
	case to.HolderIdentity == "" && !from.Exists:
		r.kind = "create"
	case to.HolderIdentity == "":
		r.kind = "release"
	case was.HolderIdentity == to.HolderIdentity && mine(was) == mine(to):
		r.kind = "renew"
	}
	return c.request(ctx, r, func() (Observation, error) { return c.s.write(from, to) })
}

// stream is one watch.
type stream struct {
	client *client
	more   chan struct{}
	broken chan error

	mu    sync.Mutex
	queue []event
	// dead: it goes on and delivers nothing.
	dead bool
}

type event struct {
	obs Observation
	at  time.Time
}

func (st *stream) push(obs Observation) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.queue = append(st.queue, event{obs, time.Now()})
	select {
	case st.more <- struct{}{}:
	default:
	}
}

func (st *stream) pop() (event, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.queue) == 0 || st.dead {
		return event{}, false
	}
	e := st.queue[0]
	st.queue = st.queue[1:]
	return e, true
}

func (st *stream) isDead() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.dead
}

func (c *client) Watch(ctx context.Context, deliver func(Observation)) error {
	f, landed := c.send(request{kind: "watch"})
	defer landed()
	if f.Drop {
		return electortest.Silence(ctx)
	}
	if err := electortest.Sleep(ctx, travel+f.Late); err != nil {
		return err
	}
	if f.Refuse != nil {
		if err := electortest.Sleep(ctx, travel); err != nil {
			return err
		}
		return f.Refuse
	}
	st := &stream{client: c, more: make(chan struct{}, 1), broken: make(chan error, 1)}
	c.s.mu.Lock()
	absent := c.s.revision
	if c.s.nameless {
		absent = 0
	}
	st.push(observe(c.s.object, absent))
	c.s.streams[st] = struct{}{}
	c.s.mu.Unlock()
	defer func() {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		delete(c.s.streams, st)
	}()
	for follows := false; ; {
		e, ok := st.pop()
		var wait <-chan time.Time
		if ok {
			c.mu.Lock()
			due := e.at.Add(travel + c.delay)
			c.mu.Unlock()
			wait = time.After(time.Until(due))
		}
		for waiting := true; waiting; {
			more := st.more
			if ok {
				more = nil
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case err := <-st.broken:
				return err
			case <-more:
				waiting = false
			case <-wait:
				waiting = false
				if !st.isDead() {
					e.obs.Follows, follows = follows, true
					deliver(e.obs)
				}
			}
		}
	}
}

// each calls f for the client's open watches.
func (c *client) each(f func(*stream)) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for st := range c.s.streams {
		if st.client == c {
			f(st)
		}
	}
}

// sever breaks the open watches.
func (c *client) sever(err error) {
	c.each(func(st *stream) {
		select {
		case st.broken <- err:
		default:
		}
	})
}

// deaden makes the open watches deliver nothing any more, without an end.
func (c *client) deaden() {
	c.each(func(st *stream) {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.dead = true
	})
}
