package elector

import (
	"sync"
	"time"
)

// sighting is what this process knows of the lock at one moment, from its
// watch, its reads and the answers to its writes together.
type sighting struct {
	// seq counts what has been noted. Zero: nothing is known yet.
	seq uint64
	obs Observation
	// changed is when the last change of the record proper was received, on
	// the candidate's clock, or what may hide one; noted, when anything was.
	changed, noted time.Duration
	// held says that a holder was ever seen, and for how long its lease would
	// have to be waited out.
	held time.Duration
	// watched is the last revision that the watch delivered, delivered how many
	// times it did.
	watched, delivered uint64
	// unreadable and unwritable are why the lock could not be read, or written.
	unreadable, unwritable error
}

// sight keeps the present sighting. Anybody may note and look.
type sight struct {
	clock Clock
	// own is the duration for records that have none.
	own time.Duration
	// stirred delivers when something was noted; for one listener at a time.
	stirred chan struct{}
	// changed is Config.Changed.
	changed func()

	mu  sync.Mutex
	now sighting
	// newest is the highest revision noted. What a watch or a write brings late
	// is below it; only a read may lower it.
	newest uint64
	// same is the spec that the watch delivered last, and since when it has
	// delivered the same one, without a gap.
	same  string
	since time.Duration
}

func newSight(clock Clock, own time.Duration, changed func()) *sight {
	return &sight{clock: clock, own: own, stirred: make(chan struct{}, 1), changed: changed}
}

func (s *sight) look() sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// watch notes what the watch delivered.
func (s *sight) watch(obs Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.watched = obs.Revision
	s.now.delivered++
	s.now.unreadable = nil
	if !obs.Follows || obs.Spec != s.same {
		s.same, s.since = obs.Spec, s.clock.Now()
	}
	gone := obs.Revision == 0 && s.now.obs.Exists
	if s.now.seq == 0 || obs.Revision > s.newest || gone {
		s.adopt(obs)
	}
	// It may be known already, from a read, and that the record was no other
	// meanwhile from this watch alone.
	if obs.Revision > 0 && obs.Revision == s.now.obs.Revision && s.since < s.now.changed {
		s.now.changed = s.since
		s.stir()
	}
}

// wrote notes the answer to a write of ours.
func (s *sight) wrote(obs Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.unreadable, s.now.unwritable = nil, nil
	if s.now.seq == 0 || obs.Revision > s.newest {
		s.adopt(obs)
	}
}

// read notes the answer to a read that was asked when `before` was the last
// thing noted. An older revision counts only if nothing came in between: then
// the lock itself has gone back (a restored etcd).
func (s *sight) read(obs Observation, before uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.unreadable = nil
	last := s.now.obs
	differs := s.now.seq == before && (obs.Revision != last.Revision || obs.Exists != last.Exists)
	if s.now.seq == 0 || obs.Revision > s.newest || differs {
		older, held := obs.Revision < s.newest, s.now.held
		if obs.Exists {
			s.newest = obs.Revision
		}
		s.adopt(obs)
		if older {
			// Or the answer is old: a longer lease that was seen since still counts.
			s.now.held = max(s.now.held, held)
		}
	}
}

func (s *sight) adopt(obs Observation) {
	at := s.clock.Now()
	// Records without a holder look alike: between two of them somebody may
	// have held the lock unseen, unless the watch knows better.
	if s.now.seq == 0 || obs.Spec != s.now.obs.Spec || obs.Record.HolderIdentity == "" {
		s.now.changed = at
	}
	switch r := obs.Record; {
	case r.HolderIdentity != "":
		s.now.held = s.duration(r)
		// Who stands by has nothing to write: a refusal of old proves nothing.
		s.now.unwritable = nil
	case obs.Exists && s.now.held == 0 && (r.LeaseDuration > 0 || r.LeaseTransitions > 0 || !r.RenewTime.IsZero() || !r.AcquireTime.IsZero()):
		// Emptied before it was seen here: what is left tells that it was held.
		s.now.held = s.duration(r)
	}
	s.newest = max(s.newest, obs.Revision)
	s.now.seq++
	s.now.obs, s.now.noted = obs, at
	s.stir()
}

// duration is how long a record's lease runs for those who only see it.
func (s *sight) duration(r Record) time.Duration {
	if r.LeaseDuration > 0 {
		return r.LeaseDuration
	}
	return s.own
}

func (s *sight) failed(reading bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reading {
		s.now.unreadable = err
	} else {
		s.now.unwritable = err
	}
}

func (s *sight) stir() {
	select {
	case s.stirred <- struct{}{}:
	default:
	}
	s.changed()
}

// heir is who has the first turn at the end of the present term.
func (s sighting) heir() string { return markOf(s.obs.Record.Heir, s.obs.Record).Heir }

// gate is the instance that the record names as holder, nil where the holder
// is nobody or another tool.
func (s sighting) gate() *Instance { return markOf(s.obs.Record.Instance, s.obs.Record).Instance }

// released reports whether the last holder gave the lock up. A holder that is
// merely missing did not.
func (s sighting) released() bool {
	r := s.obs.Record
	return s.obs.Exists && r.HolderIdentity == "" && r.LeaseDuration > 0 && r.LeaseDuration <= time.Second
}
