package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// Names of the samples that a measurement leaves; the unit is part of the name.
// Counts of events are 1 or 0 for each run.
const (
	termGap      = "term_gap_ms"          // old child's last sign → next child's start
	termGraceful = "term_graceful"        // 1: the old child ended by itself
	childGap     = "child_gap_ms"         // the kill → next child's start
	gateBeyond   = "gate_beyond_ms"       // next child's start − (last renewal + lease)
	gateGap      = "gate_gap_ms"          // the kill → next child's start
	binarySize   = "binary_bytes"         // as it is on disk
	binarySymbol = "binary_has_symbols"   // 1: it is not stripped
	cutOverlap   = "blackhole_overlap_ms" // two children at once for
	cutBeyond    = "blackhole_beyond_ms"  // next child's start − (last renewal + lease)
	cutOldEnd    = "blackhole_old_end_ms" // the cut → the old child's last sign
	startup      = "startup_ms"           // election off: start of the child, less that of a bare exec
	otherOverlap = "overlap_ms"           // two children at once for, in all the other runs
)

// Result is what was measured of one tool.
type Result struct {
	Tool    string               `json:"tool"`
	Command string               `json:"command"`
	Samples map[string][]float64 `json:"samples"`
	Medians map[string]float64   `json:"medians"`
	// Failures are the runs that came to nothing, and why.
	Failures []string `json:"failures"`
}

// sample adds what one run has measured.
func (r *Result) sample(values map[string]float64) {
	if r.Samples == nil {
		r.Samples, r.Medians = map[string][]float64{}, map[string]float64{}
	}
	for name, value := range values {
		r.Samples[name] = append(r.Samples[name], value)
		r.Medians[name] = median(r.Samples[name])
	}
}

// worst is the longest time that two of the tool's children ran, or two of its
// sidecars claimed to lead, at once.
func (r *Result) worst() float64 {
	return slices.Max(slices.Concat([]float64{0}, r.Samples[otherOverlap], r.Samples[cutOverlap], r.Samples[sidecarHTTP], r.Samples[sidecarFile]))
}

// Report is the content of the JSON file.
type Report struct {
	Machine  Machine   `json:"machine"`
	Settings Settings  `json:"settings"`
	Results  []*Result `json:"results"`
}

// print writes what people read.
func (r Report) print(out io.Writer) {
	s := r.Settings
	_, _ = fmt.Fprintf(out, "%d cores, %s, Linux %s, %s, Kubernetes %s. Lease %s, renew deadline %s, retry period %s. Medians of %d (least – greatest).\n\n%s",
		r.Machine.Cores, r.Machine.CPU, r.Machine.Kernel, r.Machine.Go, r.Machine.Kubernetes, s.Lease, s.Renew, s.Retry, s.Runs, markdown(s, r.Results))
	for _, result := range r.Results {
		for _, failure := range result.Failures {
			_, _ = fmt.Fprintf(out, "\n%s came to nothing: %s\n", result.Tool, failure)
		}
	}
}

// save writes the JSON file.
func (r Report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the JSON report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("write the JSON report: %w", err)
	}
	return nil
}

// verdict is nil for a tool that never had two at once, that does not grow, and
// whose every run was measured.
func (r *Result) verdict() error {
	var wrong []error
	if worst := r.worst(); worst > 0 {
		wrong = append(wrong, fmt.Errorf("%s had two children or leaders at once for %s", r.Tool, span(worst)))
	}
	wrong = append(wrong, r.growth()...)
	if spare := slices.Concat(r.Samples[outageSpare], r.short().Samples[outageSpare]); len(spare) > 0 && slices.Min(spare) <= 0 {
		wrong = append(wrong, fmt.Errorf("%s let a child outlive its lease by %s while the API server was away", r.Tool, span(-slices.Min(spare))))
	}
	for _, failure := range r.Failures {
		wrong = append(wrong, fmt.Errorf("%s: %s", r.Tool, failure))
	}
	return errors.Join(wrong...)
}

// describe lists the values of one run.
func describe(values map[string]float64) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		words = append(words, fmt.Sprintf("%s %.4g", name, values[name]))
	}
	return strings.Join(words, ", ")
}
