package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	schedules = flag.Uint64("schedules", 3000/slower, "how many random schedules to run")
	first     = flag.Uint64("first", 1, "the seed of the first of them")
	verdict   = flag.String("verdict", "", "look only for what the judge says with this text in it")
	oneSeed   = flag.Uint64("seed", 0, "run this one schedule, and print all that happens")
)

// again is how to run a schedule again. The count is for the few that depend on
// more than the seed.
func again(seed uint64) string {
	return fmt.Sprintf("go test ./internal/simulation -run TestElection -v -count 20 -failfast -seed %d", seed)
}

func TestElection_KeepsItsPromiseOnRandomSchedules(t *testing.T) {
	if *oneSeed != 0 {
		r := simulate(t, *oneSeed, true)
		t.Logf("seed %d:\n%s", r.seed, r.story(len(r.events)))
		for _, wrong := range r.wrong {
			t.Error(wrong)
		}
		return
	}
	t.Parallel()
	begun := time.Now()
	var next atomic.Uint64
	var failed atomic.Bool
	next.Store(*first)
	end := *first + *schedules
	var mu sync.Mutex
	var total counts
	t.Run("all", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
				t.Parallel()
				for seed := next.Add(1) - 1; seed < end && !failed.Load(); seed = next.Add(1) - 1 {
					t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
						r := simulate(t, seed, false)
						if len(r.wrong) > 0 {
							failed.Store(true)
							t.Errorf("seed %d: %s\n%srun it again: %s", seed, strings.Join(r.wrong, "\n"), r.story(60), again(seed))
						}
						mu.Lock()
						defer mu.Unlock()
						total.add(r.counts)
					})
				}
			})
		}
	})
	took := time.Since(begun)
	fmt.Printf("%d schedules in %v, %.0f a second: %v", total.schedules, took.Round(time.Second), float64(total.schedules)/took.Seconds(), &total)
}

// Where two things reach a goroutine at one instant, Go picks one at random; in
// nearly all schedules that makes no difference.
func TestSeed_TellsTheSameStoryAgain(t *testing.T) {
	if slower > 1 {
		t.Skip("the race detector has goroutines run in another order each time, on purpose")
	}
	t.Parallel()
	const seeds = 100
	differ := 0
	for seed := uint64(1); seed <= seeds; seed++ {
		if a, b := simulate(t, seed, false), simulate(t, seed, false); a.print() != b.print() {
			differ++
		}
	}
	if differ > seeds/10 {
		t.Errorf("%d of %d seeds tell another story the second time", differ, seeds)
	}
}
