package chaos

import (
	"testing"
	"time"
)

// deal deals that many steps of a seed's number n, for three replicas.
func deal(seed, n uint64, steps int) (all []step) {
	s := newSchedule(seed, n, 3, time.Second, kinds())
	for range steps {
		all = append(all, s.next())
	}
	return all
}

// same compares steps by what they do.
func same(a, b []step) bool {
	for i := range a {
		one, other := a[i], b[i]
		name, otherName := one.kind.name, other.kind.name
		one.kind, other.kind = nil, nil
		if name != otherName || one != other {
			return false
		}
	}
	return len(a) == len(b)
}

func TestSchedule_IsTheSameForTheSameSeedAndAnotherForAnother(t *testing.T) {
	t.Parallel()
	const steps = 500
	first := deal(7, 1, steps)
	if !same(first, deal(7, 1, steps)) {
		t.Error("a seed replays in another order")
	}
	if same(first, deal(8, 1, steps)) || same(first, deal(7, 2, steps)) {
		t.Error("another seed, or another lock, has the same steps")
	}
}

func TestSchedule_DealsEveryKindByItsWeightBeforeOneComesAgain(t *testing.T) {
	t.Parallel()
	total := 0
	for _, k := range kinds() {
		total += k.weight
	}
	dealt := map[string]int{}
	for _, one := range deal(7, 1, 2*total) {
		dealt[one.kind.name]++
	}
	for _, k := range kinds() {
		if dealt[k.name] != 2*k.weight {
			t.Errorf("%s came up %d times, want %d", k.name, dealt[k.name], 2*k.weight)
		}
	}
}

func TestSchedule_HitsWhomTheKindMayHit(t *testing.T) {
	t.Parallel()
	seen := map[reach]map[int]bool{}
	for _, one := range deal(7, 1, 5000) {
		if seen[one.kind.reach] == nil {
			seen[one.kind.reach] = map[int]bool{}
		}
		seen[one.kind.reach][one.whom] = true
	}
	for reach, want := range map[reach][]int{
		hitsLeader: {0}, hitsOne: {0, 1, 2}, hitsAny: {all, 0, 1, 2}, hitsAll: {all},
	} {
		if len(seen[reach]) != len(want) {
			t.Errorf("reach %d hits %v, want %v", reach, seen[reach], want)
		}
		for _, whom := range want {
			if !seen[reach][whom] {
				t.Errorf("reach %d never hits %d", reach, whom)
			}
		}
	}
}
