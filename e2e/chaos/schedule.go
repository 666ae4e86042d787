package chaos

import (
	"math/rand/v2"
	"slices"
	"time"
)

// step is one fault of a schedule.
type step struct {
	// pause is from the step before.
	pause time.Duration
	kind  *kind
	// whom is who is hit: 0 the leader, n the n-th standby, everybody where it is
	// all.
	whom int
	// long is whether it lasts longer than a leader may bear, share how far
	// beyond (or below), from 0 to 1.
	long  bool
	share float64
	// other picks one of two forms, where a kind has them.
	other bool
	// calm: before it the lock is left alone for as long as it may take to find a
	// leader.
	calm bool
}

const all = -1

// schedule deals the steps of one lock, or those that hit all locks. All that is
// random about a run is decided here: whoever has the seed has the steps.
type schedule struct {
	random   *rand.Rand
	replicas int
	pause    time.Duration // the longest
	kinds    []*kind
	deck     []*kind
	dealt    int
}

// newSchedule makes that number n of the seed.
func newSchedule(seed, n uint64, replicas int, pause time.Duration, kinds []*kind) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, n)), replicas: replicas, pause: pause, kinds: kinds}
}

// calmEvery steps there is a calm.
const calmEvery = 16

// next is the next step. Every kind comes up as often as its weight says before
// one comes up more often.
func (s *schedule) next() step {
	if len(s.deck) == 0 {
		for _, k := range s.kinds {
			s.deck = append(s.deck, slices.Repeat([]*kind{k}, k.weight)...)
		}
		s.random.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	k := s.deck[0]
	s.deck = s.deck[1:]
	s.dealt++
	// Everything is drawn for every kind, so that a change of one does not change
	// all that follows.
	return step{
		pause: time.Duration(s.random.Int64N(int64(s.pause))),
		kind:  k,
		whom:  s.whom(k),
		long:  s.random.IntN(2) == 0,
		share: s.random.Float64(),
		other: s.random.IntN(2) == 0,
		calm:  s.dealt%calmEvery == 0,
	}
}

// whom picks the leader in half of all cases.
func (s *schedule) whom(k *kind) int {
	draw, standby := s.random.IntN(8), 1+s.random.IntN(max(1, s.replicas-1))
	switch {
	case k.reach == hitsLeader || k.reach != hitsAll && draw < 4:
		return 0
	case k.reach == hitsAll || k.reach == hitsAny && draw == 7:
		return all
	}
	return min(standby, s.replicas-1)
}
