package main

import (
	"fmt"
	"html/template"
	"math"
	"os"
	"slices"
	"strings"
)

// line is one line of the plot: a time in milliseconds, for every tool.
type line struct {
	label, samples string
	// theirs is what was measured of LINBIT's tool, from and to; reach is what this
	// project is to stay below. Zero: none.
	theirs [2]float64
	reach  float64
}

var lines = []line{
	{"TERM to the leader → next start", termGap, [2]float64{17000, 17000}, 20},
	{"leader's child killed → next start", childGap, [2]float64{15900, 15900}, 20},
	{"gate killed → next start, beyond expiry", gateBeyond, [2]float64{0, 4400}, 30},
	{"black hole: two at once for", cutOverlap, [2]float64{4900, 5800}, 0},
	{"API server back → next start", outageGap, [2]float64{}, 0},
	{"only candidate, beyond a bare exec", elected, [2]float64{}, 15},
	{"election off, beyond a bare exec", startup, [2]float64{}, 3},
}

// The plot's measures, in pixels; its axis is logarithmic, from least to most
// milliseconds. What is less is drawn at its beginning.
const (
	plotWidth, plotLabel, plotLine, plotHead = 900, 330, 44, 54
	plotLeast, plotMost                      = 1.0, 100_000.0
)

var palette = []string{"#1a7f37", "#bf3989", "#0969da", "#9a6700"}

// at is where a time is on the axis.
func at(milliseconds float64) float64 {
	part := math.Log(math.Min(math.Max(milliseconds, plotLeast), plotMost)/plotLeast) / math.Log(plotMost/plotLeast)
	return math.Round(10*(plotLabel+part*(plotWidth-plotLabel-30))) / 10
}

// withShortLines are the lines, and after them those for which there are samples at
// the short lease.
func withShortLines(lines []line, r Report) []line {
	for _, l := range lines {
		l = line{label: "lease " + r.Settings.Short.String() + ": " + l.label, samples: shortly + l.samples, reach: l.reach}
		if slices.ContainsFunc(r.Results, func(result *Result) bool { return len(result.Samples[l.samples]) > 0 }) {
			lines = append(lines, l)
		}
	}
	return lines
}

type plotDot struct {
	X, Y  float64
	Color string
	Title string
}

type plotMark struct{ X1, X2, Y float64 }

type plotWord struct {
	X, Y float64
	Text string
	// Color is that of a tool's name.
	Color string
}

type plot struct {
	Width, Height int
	Title         string
	Words, Ticks  []plotWord
	Dots          []plotDot
	// Theirs are ranges, Reach are limits.
	Theirs, Reach []plotMark
}

// newPlot draws every run as a dot.
func newPlot(r Report) plot {
	p := plot{Width: plotWidth, Title: fmt.Sprintf("%d cores, %s, Kubernetes %s; lease %s", r.Machine.Cores, r.Machine.CPU, r.Machine.Kubernetes, r.Settings.Lease)}
	y := float64(plotHead)
	for _, l := range withShortLines(lines, r) {
		y += plotLine
		p.Words = append(p.Words, plotWord{X: plotLabel - 12, Y: y + 4, Text: l.label})
		if l.theirs[1] > 0 {
			p.Theirs = append(p.Theirs, plotMark{at(l.theirs[0]), at(l.theirs[1]), y})
		}
		if l.reach > 0 {
			p.Reach = append(p.Reach, plotMark{at(l.reach), at(l.reach), y})
		}
		for i, result := range r.Results {
			// Tools lie below each other within a line.
			offset := (float64(i) - float64(len(r.Results)-1)/2) * 9
			for _, sample := range result.Samples[l.samples] {
				p.Dots = append(p.Dots, plotDot{at(sample), y + offset, palette[i%len(palette)], result.Tool + ": " + span(sample)})
			}
		}
	}
	for i, result := range r.Results {
		p.Words = append(p.Words, plotWord{X: float64(plotLabel - 12), Y: 22 + 14*float64(i), Text: "● " + result.Tool, Color: palette[i%len(palette)]})
	}
	for _, tick := range []float64{1, 10, 100, 1000, 10_000, 100_000} {
		p.Ticks = append(p.Ticks, plotWord{X: at(tick), Y: y + plotLine, Text: strings.Replace(span(tick), ".0 ", " ", 1)})
	}
	p.Ticks[0].Text = "≤ " + p.Ticks[0].Text
	p.Height = int(y) + plotLine + 24
	return p
}

var drawing = template.Must(template.New("plot").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="342" y="22" fill="#57606a">{{.Title}}</text>
<text x="342" y="38" fill="#57606a">hollow: LINBIT's, as it was measured; dashed: what this is to stay below</text>
{{range .Ticks}}<path d="M{{.X}} 54V{{.Y}}" stroke="#d0d7de"/><text x="{{.X}}" y="{{.Y}}" dy="14" text-anchor="middle" fill="#57606a">{{.Text}}</text>
{{end}}{{range .Theirs}}<path d="M{{.X1}} {{.Y}}H{{.X2}}" stroke="#57606a" stroke-width="13" stroke-linecap="round"/><path d="M{{.X1}} {{.Y}}H{{.X2}}" stroke="#ffffff" stroke-width="10" stroke-linecap="round"/>
{{end}}{{range .Reach}}<path d="M{{.X1}} {{.Y}}m0 -16v32" stroke="#57606a" stroke-dasharray="3 3"/>
{{end}}{{range .Words}}<text x="{{.X}}" y="{{.Y}}" text-anchor="end" fill="{{or .Color "#24292f"}}">{{.Text}}</text>
{{end}}{{range .Dots}}<circle cx="{{.X}}" cy="{{.Y}}" r="3.5" fill="{{.Color}}" fill-opacity="0.6"><title>{{.Title}}</title></circle>
{{end}}</svg>
`))

// draw writes the plot as an SVG file.
func (r Report) draw(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the plot: %w", err)
	}
	if err := drawing.Execute(file, newPlot(r)); err != nil {
		_ = file.Close()
		return fmt.Errorf("write the plot %s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write the plot: %w", err)
	}
	return nil
}
