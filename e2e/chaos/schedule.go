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
	// election is an index, of elections; of no meaning for a kind that hits all.
	election int
	// whom is who is hit: 0 the leader, n the n-th standby, everybody where it is
	// all.
	whom int
	// long is whether it lasts longer than a leader may bear, how far beyond
	// (or below) is share, from 0 to 1.
	long  bool
	share float64
	// other picks one of two forms, where a kind has them.
	other bool
	// calm is for how long nothing is done before this step, once all faults are
	// over: an index of calms; 0: no calm.
	calm int
}

const all = -1

// schedule deals steps from a seed. All that is random about a run is decided
// here: whoever has the seed has the steps.
type schedule struct {
	random   *rand.Rand
	replicas int
	kinds    []*kind
	deck     []*kind
	dealt    int
}

func newSchedule(seed uint64, replicas int, kinds []*kind) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, 0)), replicas: replicas, kinds: kinds}
}

const (
	longestPause = 700 * time.Millisecond
	// calmEvery steps all are left alone for a while, and longCalmEvery steps for
	// so long that the slowest lock must have a leader.
	calmEvery     = 24
	longCalmEvery = 4 * calmEvery
)

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
	one := step{
		pause:    time.Duration(s.random.Int64N(int64(longestPause))),
		kind:     k,
		election: s.election(k),
		whom:     s.whom(k),
		long:     s.random.IntN(2) == 0,
		share:    s.random.Float64(),
		other:    s.random.IntN(2) == 0,
	}
	switch {
	case s.dealt%longCalmEvery == 0:
		one.calm = 2
	case s.dealt%calmEvery == 0:
		one.calm = 1
	}
	return one
}

// election picks one that the kind can hit.
func (s *schedule) election(k *kind) int {
	var tickets []int
	for i, e := range elections {
		if k.store&e.store != 0 {
			tickets = append(tickets, slices.Repeat([]int{i}, e.weight)...)
		}
	}
	return tickets[s.random.IntN(len(tickets))]
}

// whom picks the leader in half of all cases.
func (s *schedule) whom(k *kind) int {
	draw, standby := s.random.IntN(8), 1+s.random.IntN(max(1, s.replicas-1))
	switch {
	case k.reach == hitsLeader || k.reach == hitsOne && draw < 4 || k.reach == hitsAny && draw < 4:
		return 0
	case k.reach == hitsAll || k.reach == hitsAny && draw == 7:
		return all
	}
	return min(standby, s.replicas-1)
}
