package gate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// travel is how long a request takes to the lock, and an answer back.
const travel = electortest.Travel

// fault is what happens to one request.
type fault = electortest.Fault

var errServer = electortest.ErrServer

// store is a lock in memory, with a revision for each change.
type store struct {
	story *story

	mu       sync.Mutex
	exists   bool
	revision uint64
	record   elector.Record
	streams  map[*stream]struct{}
	// acquired are the revisions that acquiring writes made.
	acquired []uint64
}

func newStore(s *story) *store {
	return &store{story: s, revision: 100, streams: map[*stream]struct{}{}}
}

func (s *store) look() elector.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.observe()
}

func (s *store) observe() elector.Observation {
	r := s.record
	return elector.Observation{
		Exists:   s.exists,
		Revision: s.revision,
		Record:   r,
		Spec: fmt.Sprint(r.HolderIdentity, "|", r.LeaseDuration, "|", r.AcquireTime.UnixNano(), "|",
			r.RenewTime.UnixNano(), "|", r.LeaseTransitions),
	}
}

func (s *store) set(r elector.Record) elector.Observation {
	s.exists, s.record = true, r
	s.revision++
	obs := s.observe()
	for st := range s.streams {
		st.queue = append(st.queue, obs)
		select {
		case st.stirred <- struct{}{}:
		default:
		}
	}
	return obs
}

// seize is a write of somebody who asks for nothing.
func (s *store) seize(holder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story.tell(holder, "acquired")
	s.set(elector.Record{
		HolderIdentity:   holder,
		LeaseDuration:    lease,
		AcquireTime:      time.Now(),
		RenewTime:        time.Now(),
		LeaseTransitions: s.record.LeaseTransitions + 1,
	})
}

// lastAcquired is the revision that the last acquiring write made.
func (s *store) lastAcquired() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.acquired) == 0 {
		return 0
	}
	return s.acquired[len(s.acquired)-1]
}

// link is one pod's Lock: its way to the store.
type link struct {
	store *store
	who   string

	mu sync.Mutex
	// healed is not nil while the link is cut, and closed when it is healed.
	healed chan struct{}
	script func(kind string) fault
	// sent is when the last acquire or renewal that was answered was sent: T0.
	sent time.Duration
}

func (l *link) String() string { return "lock test" }

// cut is a network that swallows everything, until healed.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.healed == nil {
		l.healed = make(chan struct{})
	}
}

func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.healed != nil {
		close(l.healed)
		l.healed = nil
	}
}

func (l *link) cutOff() (healed <-chan struct{}, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.healed, l.healed != nil
}

// on sets what happens to each request from now on.
func (l *link) on(script func(kind string) fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.script = script
}

// once is a fault for the first request of a kind.
func once(kind string, f fault) func(string) fault {
	var mu sync.Mutex
	done := false
	return func(k string) fault {
		mu.Lock()
		defer mu.Unlock()
		if k != kind || done {
			return fault{}
		}
		done = true
		return f
	}
}

// t0 is the instant of that name in the timing inequality.
func (l *link) t0() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// request takes one request there and its answer back.
func (l *link) request(ctx context.Context, kind string, apply func() (elector.Observation, error)) (elector.Observation, error) {
	l.mu.Lock()
	var f fault
	if l.script != nil {
		f = l.script(kind)
	}
	if l.healed != nil && !f.Stubborn {
		f.Drop = true
	}
	l.mu.Unlock()
	f.Lost = func() bool {
		_, cut := l.cutOff()
		return cut
	}
	return electortest.Carry(ctx, f, apply)
}

func (l *link) Read(ctx context.Context) (elector.Observation, error) {
	return l.request(ctx, "read", func() (elector.Observation, error) { return l.store.look(), nil })
}

// kind tells what a write is for, and whether it belongs to the story.
func kind(from elector.Observation, to elector.Record) string {
	was := from.Record
	switch {
	case to.HolderIdentity == "" && !from.Exists:
		return "created"
	case to.HolderIdentity == "":
		return "released"
	case was.HolderIdentity == to.HolderIdentity && was.RenewTime.Equal(to.RenewTime):
		return "claimed"
	case was.HolderIdentity == to.HolderIdentity && was.Instance == to.Instance:
		return "renewed"
	}
	return "acquired"
}

func (l *link) Write(ctx context.Context, from elector.Observation, to elector.Record) (elector.Observation, error) {
	kind, sent := kind(from, to), l.store.story.now()
	obs, err := l.request(ctx, kind, func() (elector.Observation, error) {
		s := l.store
		s.mu.Lock()
		defer s.mu.Unlock()
		if from.Exists != s.exists || from.Revision != s.revision {
			return elector.Observation{}, fmt.Errorf("put: %w", elector.ErrConflict)
		}
		obs := s.set(to)
		s.story.add(kind != "acquired" && kind != "released", l.who, "%s", kind)
		if kind == "acquired" {
			s.acquired = append(s.acquired, obs.Revision)
		}
		return obs, nil
	})
	if err == nil && (kind == "acquired" || kind == "renewed") {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sent = max(l.sent, sent)
	}
	return obs, err
}

// stream is one watch. Its fields are covered by the store's mutex.
type stream struct {
	queue   []elector.Observation
	stirred chan struct{}
}

func (l *link) Watch(ctx context.Context, deliver func(elector.Observation)) error {
	s := l.store
	st := &stream{stirred: make(chan struct{}, 1)}
	s.mu.Lock()
	st.queue = append(st.queue, s.observe())
	s.streams[st] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, st)
	}()
	for {
		s.mu.Lock()
		news := st.queue
		st.queue = nil
		s.mu.Unlock()
		for _, obs := range news {
			if err := electortest.Sleep(ctx, travel); err != nil {
				return err
			}
			// What is under way in a cut arrives after it.
			for healed, cut := l.cutOff(); cut; healed, cut = l.cutOff() {
				select {
				case <-healed:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			deliver(obs)
		}
		select {
		case <-st.stirred:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
