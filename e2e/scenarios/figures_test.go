package scenarios

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
)

var (
	figuresFile = flag.String("figures", "", "measure TestFigures, and write them as JSON into this `file`")
	figureRuns  = flag.Int("figure-runs", 5, "runs of each figure; at most 3 of those that freeze a node")
)

// figure is one line of the table.
type figure struct {
	// Name tells its unit too.
	Name string `json:"name"`
	// Title, Theirs and Reach are for people. Theirs is what was measured of the
	// example of LINBIT's k8s-await-election, on such a cluster.
	Title  string `json:"title"`
	Theirs string `json:"theirs,omitempty"`
	Reach  string `json:"reach"`

	Samples []float64 `json:"samples"`
	Median  float64   `json:"median"`

	reach float64
	write func(float64) string
}

// figures are what was measured, and of what.
type figures struct {
	Kubernetes string    `json:"kubernetes"`
	Cores      int       `json:"cores"`
	Figures    []*figure `json:"figures"`
}

// add adds the line, where anything was measured.
func (all *figures) add(f figure, samples ...float64) {
	if len(samples) == 0 {
		return
	}
	f.Samples, f.Median = samples, middle(samples)
	all.Figures = append(all.Figures, &f)
}

// TestFigures measures, and says nothing about right and wrong but what every
// scenario proves. A reach that was missed is marked in the table.
func TestFigures(t *testing.T) {
	if *figuresFile == "" {
		t.Skip("needs -figures: make e2e-bench measures")
	}
	needHost(t)
	all, err := beginFigures(site.client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		fmt.Print("\n", all.table(), "\n")
		if err := all.save(*figuresFile); err != nil {
			t.Error(err)
		}
	})
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			samples := o.measure(t)
			all.add(figure{Name: o.name + "_ms", Title: o.title, Theirs: o.theirs, Reach: "≤ " + span(o.reach), reach: o.reach, write: span}, samples...)
		})
	}
	t.Run("image", func(t *testing.T) {
		size, err := os.Stat(filepath.Join(*images, "gate.tar"))
		if err != nil {
			t.Fatal(err)
		}
		all.add(figure{Name: "image_bytes", Title: "init container: size of the image", Reach: "≤ 13 MB", reach: 13e6, write: func(bytes float64) string {
			return fmt.Sprintf("%.1f MB", bytes/1e6)
		}}, float64(size.Size()))
	})
	t.Run("copy", func(t *testing.T) {
		all.add(figure{Name: "copy_ms", Title: "init container: time to copy", Reach: "≤ 50 ms", reach: 50, write: span}, copyTimes(t)...)
	})
}

func beginFigures(client kubernetes.Interface) (*figures, error) {
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return nil, err
	}
	return &figures{Kubernetes: version.GitVersion, Cores: runtime.NumCPU()}, nil
}

// copyTimes are those of what the init container runs, from its start to its end,
// with the program that its image was made of.
func copyTimes(t *testing.T) (samples []float64) {
	gate := filepath.Join(*images, "..", "linux-"+runtime.GOARCH, "k8s-await-election")
	for range *figureRuns {
		began := time.Now()
		text, err := exec.CommandContext(t.Context(), gate, "--install", t.TempDir()).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		samples = append(samples, ms(time.Since(began)))
	}
	return samples
}

// table is for people, in Markdown.
func (all *figures) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Longest time without an answer from the Service, asked every %s; medians (least – greatest). Kubernetes %s, %d cores.\n\n",
		interval, all.Kubernetes, all.Cores)
	b.WriteString("| figure | LINBIT's example, measured | reach | k8s-await-election | runs |\n|---|---|---|---|---|\n")
	for _, f := range all.Figures {
		cell := f.write(f.Median)
		if len(f.Samples) > 1 {
			cell += fmt.Sprintf(" (%s – %s)", f.write(slices.Min(f.Samples)), f.write(slices.Max(f.Samples)))
		}
		if f.Median > f.reach {
			cell += ", **missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", f.Title, cmp.Or(f.Theirs, "–"), f.Reach, cell, len(f.Samples))
	}
	return b.String()
}

func (all *figures) save(path string) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // for everybody to read
}

// middle is the median.
func middle(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func ms(d time.Duration) float64 { return math.Round(float64(d)/float64(time.Microsecond)) / 1000 }

// span writes milliseconds for people.
func span(milliseconds float64) string {
	if milliseconds >= 1000 {
		return fmt.Sprintf("%.2f s", milliseconds/1000)
	}
	return fmt.Sprintf("%.0f ms", milliseconds)
}
