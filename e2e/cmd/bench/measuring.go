package main

import (
	"context"
	"fmt"
	"slices"
)

// measuring collects what is measured of one tool. Once ctx has ended nothing is
// measured any more.
type measuring struct {
	ctx    context.Context
	only   []string // figures
	result *Result
}

// each measures that many runs of a figure, if it is wanted.
func (m *measuring) each(figure, words string, runs int, measure func() (map[string]float64, error)) {
	if !slices.Contains(m.only, figure) {
		return
	}
	if runs == 1 { // it may take long
		progress("%s: %s", m.result.Tool, words)
	}
	for run := range runs {
		if m.ctx.Err() != nil {
			return
		}
		values, err := measure()
		if err == nil {
			progress("%s: %s, run %d: %s", m.result.Tool, words, run+1, describe(values))
			m.result.sample(values)
			continue
		}
		m.failed(fmt.Sprintf("%s, run %d", words, run+1), err)
	}
}

// all takes every sample of a figure, if it is wanted, from one measurement, also
// those that it has beside an error.
func (m *measuring) all(figure, words string, measure func() ([]map[string]float64, error)) {
	if !slices.Contains(m.only, figure) || m.ctx.Err() != nil {
		return
	}
	progress("%s: %s", m.result.Tool, words)
	samples, err := measure()
	for _, values := range samples {
		m.result.sample(values)
	}
	if err != nil {
		m.failed(words, err)
	}
}

// failed notes why something came to nothing, unless it was interrupted.
func (m *measuring) failed(words string, err error) {
	if m.ctx.Err() != nil {
		return
	}
	progress("%s: %s came to nothing: %v", m.result.Tool, words, err)
	m.result.Failures = append(m.result.Failures, fmt.Sprintf("%s: %v", words, err))
}
