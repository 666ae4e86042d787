package main

import (
	"math"
	"slices"
	"testing"
)

func TestMedian_IsTheMiddleOfTheSamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		samples []float64
		want    float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		before := slices.Clone(c.samples)
		if got := median(c.samples); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.samples, got, c.want)
		}
		if !slices.Equal(before, c.samples) {
			t.Errorf("the samples %v were reordered to %v", before, c.samples)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing is %v, want NaN", got)
	}
}

func TestSpan_ChoosesItsUnit(t *testing.T) {
	t.Parallel()
	for milliseconds, want := range map[float64]string{5.14: "5.1 ms", -3: "-3.0 ms", 512.4: "512 ms", 15900: "15.9 s", -1500: "-1.5 s"} {
		if got := span(milliseconds); got != want {
			t.Errorf("%v ms: %q, want %q", milliseconds, got, want)
		}
	}
}
