package main

import (
	"fmt"
	"slices"
)

// soakQuantity is something that a soak must leave as it is.
type soakQuantity struct {
	samples, words string
	// most is how much the gates may use more of it, all together, at the end than
	// at the beginning: noise is not growth.
	most float64
	show func(float64) string
}

// Go lets the heap of each gate come to 4 MB before it looks what of it is in use,
// and keeps a thread for each system call that was ever under way beside others.
var soakQuantities = []soakQuantity{
	{soakRSS, "resident memory (VmRSS)", 12e6, func(bytes float64) string { return fmt.Sprintf("%.1f MB", bytes/1e6) }},
	{soakAnon, "private memory (RssAnon)", 12e6, func(bytes float64) string { return fmt.Sprintf("%.1f MB", bytes/1e6) }},
	{soakThreads, "threads", 9, count},
	{soakDescriptors, "open descriptors", 3, count},
	{soakGoroutines, "goroutines", 3, count},
	{soakProcesses, "processes, with guard and child", 0, count},
}

func count(n float64) string { return fmt.Sprintf("%.4g", n) }

// grown is by how much the median of the last tenth exceeds that of the second
// one. The first one is for all gates to have led once.
func grown(series []float64) float64 {
	n := len(series)
	tenth := max(n/10, 1)
	return median(series[n-tenth:]) - median(series[n/10:n/10+tenth])
}

// slope is by how much the samples grow in a second, by least squares.
func slope(at, series []float64) float64 {
	n := float64(len(series))
	var sumX, sumY, sumXX, sumXY float64
	for i, y := range series {
		x := at[i]
		sumX, sumY, sumXX, sumXY = sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
	}
	spread := n*sumXX - sumX*sumX
	if spread == 0 {
		return 0 // one sample
	}
	return (n*sumXY - sumX*sumY) / spread
}

// growth is an error for each quantity of which the gates came to use more.
func (r *Result) growth() (wrong []error) {
	for _, q := range soakQuantities {
		if series := r.Samples[q.samples]; len(series) > 0 && grown(series) > q.most {
			wrong = append(wrong, fmt.Errorf("%s in a soak: %s of all gates grew by %s, the last tenth of the time against the second", r.Tool, q.words, q.show(grown(series))))
		}
	}
	return wrong
}

// soakRows are the lines of the table, one for each quantity.
func soakRows(s Settings) []row {
	list := []row{{fmt.Sprintf("%s of forced hand-overs among three gates that live on", s.Soak), "", "", soakHandOvers, func(r *Result) string {
		return fmt.Sprintf("%.0f, of them %.0f by a black hole", r.Samples[soakHandOvers][0], r.Samples[soakCuts][0])
	}}}
	for _, q := range soakQuantities {
		list = append(list, row{"… " + q.words + " of all three: first, last, greatest, growth in an hour", "", "flat", q.samples, func(r *Result) string {
			series := r.Samples[q.samples]
			return fmt.Sprintf("%s, %s, %s, %s", q.show(series[0]), q.show(series[len(series)-1]), q.show(slices.Max(series)), q.show(3600*slope(r.Samples[soakAt], series)))
		}})
	}
	return list
}
