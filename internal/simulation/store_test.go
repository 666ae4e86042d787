package simulation

import (
	"fmt"
	"strconv"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// object is the one that carries the lock.
type object struct {
	uid      int
	revision uint64
	record   elector.Record
	// unknown are fields of the spec that no part of this program knows, labels
	// are outside of the spec.
	unknown, labels int
}

// version is a state of the lock, and when it came to be.
type version struct {
	obs elector.Observation
	at  time.Duration
}

// store keeps one object as an API server does. Its fields are covered by the
// world's mutex.
type store struct {
	w        *world
	revision uint64
	uids     int
	object   *object // nil: absent
	// past are all versions, of which watches know those after `compacted`.
	past      []version
	compacted uint64
	// changed is closed at the next change.
	changed chan struct{}
}

func newStore(w *world) *store {
	s := &store{w: w, revision: 100, changed: make(chan struct{})}
	s.past = []version{{obs: elector.Observation{Revision: s.revision}}}
	return s
}

// observe describes an object, which it copies.
func observe(o *object, absent uint64) elector.Observation {
	if o == nil {
		return elector.Observation{Revision: absent}
	}
	r := o.record
	spec := make([]byte, 0, 96)
	spec = append(append(spec, r.HolderIdentity...), '|')
	for _, n := range []int64{int64(r.LeaseDuration), r.AcquireTime.UnixMicro(), r.RenewTime.UnixMicro(), int64(r.LeaseTransitions), int64(o.unknown)} {
		spec = append(strconv.AppendInt(spec, n, 10), '|')
	}
	return elector.Observation{Exists: true, Revision: o.revision, Record: r, Spec: string(spec), Origin: *o}
}

// present is the state now.
func (s *store) present() elector.Observation { return s.past[len(s.past)-1].obs }

// set makes o the present state.
func (s *store) set(o *object) elector.Observation {
	s.revision++
	if o != nil {
		o.revision = s.revision
	}
	s.object = o
	obs := observe(o, s.revision)
	s.past = append(s.past, version{obs, s.w.now()})
	close(s.changed)
	s.changed = make(chan struct{})
	return obs
}

// stored is a record as the API keeps it: whole seconds, microseconds.
func stored(r elector.Record) elector.Record {
	r.LeaseDuration = (r.LeaseDuration + time.Second - 1) / time.Second * time.Second
	r.AcquireTime = r.AcquireTime.Truncate(time.Microsecond)
	r.RenewTime = r.RenewTime.Truncate(time.Microsecond)
	return r
}

// put is what a kube-apiserver does with a PUT: uid and revision, where they are
// not zero, must be those of the object. An absent object is made, unless a uid
// was asked for, and with a revision too.
func (s *store) put(uid int, revision uint64, to elector.Record) (elector.Observation, error) {
	var next object
	switch now := s.object; {
	case now == nil && uid != 0,
		now != nil && uid == 0 && revision == 0,
		now != nil && uid != 0 && uid != now.uid,
		now != nil && revision != now.revision:
		return elector.Observation{}, fmt.Errorf("put: %w", elector.ErrConflict)
	case now == nil:
		s.uids++
		next = object{uid: s.uids}
	default:
		next = *now
	}
	next.record = stored(to)
	if s.object != nil && next == *s.object {
		return s.present(), nil
	}
	return s.set(&next), nil
}

// since are the versions after a revision; ok is false where they are forgotten.
func (s *store) since(revision uint64) (versions []version, ok bool) {
	if revision < s.compacted {
		return nil, false
	}
	i := len(s.past)
	for i > 0 && s.past[i-1].obs.Revision > revision {
		i--
	}
	return s.past[i:], true
}
