package elector

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// tries is how many of n candidates have their turn before they learn of the first
// one's success, in the mean of many draws. It reaches them one by one within the
// delay.
func tries(chance *dice, n int, window, delay time.Duration) float64 {
	const rounds = 300
	count := 0
	for range rounds {
		turns := make([]time.Duration, n)
		for i := range turns {
			turns[i] = draw(chance.float()).turn(window)
		}
		first := slices.Min(turns)
		for _, turn := range turns {
			if turn == first || turn < first+chance.below(delay) {
				count++
			}
		}
	}
	return float64(count) / rounds
}

func TestLot_LetsFewTryHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 10, 50, 500, 1000} {
		for delay, most := range map[time.Duration]float64{5 * time.Millisecond: 2, 50 * time.Millisecond: 2.5, 300 * time.Millisecond: 5} {
			t.Run(fmt.Sprint(n, " ", delay), func(t *testing.T) {
				t.Parallel()
				got := tries(newDice(3), n, time.Second, delay)
				t.Logf("%.2f", got)
				if got > most {
					t.Errorf("%.2f of %d try", got, n)
				}
			})
		}
	}
}

func TestLot_TellsTheSizeOfTheCrowdRoughly(t *testing.T) {
	t.Parallel()
	chance := newDice(5)
	for _, n := range []int{2, 10, 100, 500} {
		const rounds = 1000
		tooFew, tooMany := 0, 0
		for range rounds {
			first := lot(1)
			for range n {
				first = min(first, draw(chance.float()))
			}
			switch got := first.crowd(); {
			case got < n/3:
				tooFew++
			case got > 10*n:
				tooMany++
			}
		}
		if tooFew > rounds/10 || tooMany > rounds/7 {
			t.Errorf("of %d times that %d drew, %d say less than a third of them, %d more than ten times as many", rounds, n, tooFew, tooMany)
		}
	}
}

func TestLot_StaysWithinItsWindow(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{0, 1e-300, 0.0009, 0.001, 0.5, 0.9999999999999999} {
		if got := draw(jitter).turn(time.Second); got < 0 || got > time.Second {
			t.Errorf("the turn of %v is at %v", jitter, got)
		}
		if got := draw(jitter).crowd(); got < 1 || got > mostLots {
			t.Errorf("the crowd of %v is %d", jitter, got)
		}
	}
}
