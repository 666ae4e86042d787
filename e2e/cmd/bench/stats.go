package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// median is the middle of the samples, the mean of both middles where their
// number is even, NaN where there are none.
func median(samples []float64) float64 {
	n := len(samples)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// ms turns a duration into milliseconds, the unit of all times in the figures.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// span writes milliseconds for people.
func span(milliseconds float64) string {
	switch magnitude := math.Abs(milliseconds); {
	case magnitude >= 1000:
		return fmt.Sprintf("%.1f s", milliseconds/1000)
	case magnitude >= 100:
		return fmt.Sprintf("%.0f ms", milliseconds)
	default:
		return fmt.Sprintf("%.1f ms", milliseconds)
	}
}
