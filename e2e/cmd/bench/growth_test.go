package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// soaked is a soak's result, of which each sample is as step says of its place
// from 0 to 1.
func soaked(samples string, n int, step func(at float64) float64) *Result {
	r := &Result{Tool: "ours"}
	for i := range n {
		at := float64(i) / float64(n)
		r.sample(map[string]float64{soakAt: 3600 * at, samples: step(at)})
	}
	return r
}

func TestGrowth_FindsALeakOfEachKind(t *testing.T) {
	t.Parallel()
	for _, q := range soakQuantities {
		leak := soaked(q.samples, 200, func(at float64) float64 { return 100e6 + at*(2*q.most+2) })
		if wrong := leak.growth(); len(wrong) != 1 {
			t.Errorf("%s leak: found %v", q.words, wrong)
		}
		if leak.verdict() == nil {
			t.Errorf("%s leak: the verdict is good", q.words)
		}
	}
}

func TestGrowth_IsNoneWhereOnlyTheBeginningOrASampleDiffers(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]func(at float64) float64{
		"rising at first": func(at float64) float64 { return math.Min(at, 0.08) * 1e9 },
		"falling":         func(at float64) float64 { return -1e9 * at },
		"noise":           func(float64) float64 { return 80 + rand.Float64() },
		"a last outlier": func(at float64) float64 {
			if at > 0.99 {
				return 1e9
			}
			return 80
		},
	} {
		if wrong := soaked(soakGoroutines, 200, step).growth(); len(wrong) > 0 {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}

func TestGrowth_LooksAtASoakWithFewSamples(t *testing.T) {
	t.Parallel()
	for n := 1; n < 12; n++ {
		if wrong := soaked(soakProcesses, n, func(float64) float64 { return 5 }).growth(); len(wrong) > 0 {
			t.Errorf("%d samples: %v", n, wrong)
		}
	}
	if soaked(soakProcesses, 2, func(at float64) float64 { return 5 + math.Ceil(at) }).growth() == nil {
		t.Error("one more process in the second of two samples goes unseen")
	}
}

func TestSlope_IsGrowthInASecond(t *testing.T) {
	t.Parallel()
	at, series := []float64{0, 10, 20, 40}, []float64{7, 27, 47, 87}
	if got := slope(at, series); math.Abs(got-2) > 1e-9 {
		t.Errorf("%v, want 2", got)
	}
	if got := slope(at[:1], series[:1]); got != 0 {
		t.Errorf("%v of one sample, want 0", got)
	}
}
