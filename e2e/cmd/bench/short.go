package main

import (
	"strings"
	"time"
)

const defaultShort = time.Second

// shortly begins the names of samples that were taken at the short lease. That two
// children ran at once counts the same at any lease.
const shortly = "short_"

// withLease are the settings with another lease, and with deadline and period in
// the proportions of the defaults.
func (s Settings) withLease(lease time.Duration) Settings {
	s.Lease, s.Renew, s.Retry = lease, lease*2/3, lease*2/15
	return s
}

// renamed are the samples of a run at the short lease.
func renamed(values map[string]float64) map[string]float64 {
	short := map[string]float64{}
	for name, value := range values {
		if name != otherOverlap && name != cutOverlap {
			name = shortly + name
		}
		short[name] = value
	}
	return short
}

// short is what was measured at the short lease.
func (r *Result) short() *Result {
	short := &Result{Tool: r.Tool, Samples: map[string][]float64{}}
	for name, samples := range r.Samples {
		if name, found := strings.CutPrefix(name, shortly); found {
			short.Samples[name] = samples
		}
	}
	return short
}

// withShort are the rows, and each of them for the short lease.
func withShort(rows []row, lease time.Duration) []row {
	for _, r := range rows {
		rows = append(rows, row{
			figure: "lease " + lease.String() + ": " + r.figure, samples: shortly + r.samples,
			cell: func(result *Result) string { return r.cell(result.short()) },
		})
	}
	return rows
}
