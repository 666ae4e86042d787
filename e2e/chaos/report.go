package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
)

// report is what a run leaves behind.
type report struct {
	Replicas int             `json:"replicas"`
	Verdict  verdict.Verdict `json:"verdict"`
	// Exits are how often gates of a lock ended with a status.
	Exits map[string]map[int]int `json:"exits"`
	// Dropped are faults that found nobody to hurt, by their kind.
	Dropped map[string]int `json:"dropped"`
	Log     verdict.Log    `json:"log"`
}

// print writes the tables.
func (r report) print(w io.Writer) error {
	v := r.Verdict
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	put := func(format string, a ...any) { _, _ = fmt.Fprintf(table, format, a...) } // Flush tells
	put("fault\ttimes\tended a leader\tlongest without\t\n")
	for _, k := range v.Kinds {
		longest := "-"
		if k.Ended > 0 {
			longest = rounded(k.Longest)
		}
		put("%s\t%d\t%d\t%s\t\n", k.Kind, k.Faults, k.Ended, longest)
	}
	put("\t\t\t\t\n")
	put("lock\tstarts\thand-overs\tshortest\tleft alone\tthen a leader within\tmay be\t\n")
	for _, l := range v.Locks {
		put("%s\t%d\t%d\t%s\t%d\t%s\t%s\t\n", l.Lock, l.Starts, l.HandOvers, rounded(l.Shortest), l.Alone, rounded(l.Recovery), l.Bound)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if v.Thaws > 0 {
		_, _ = fmt.Fprintf(w, "lived beside the next one after a thaw: %d, for %s at most after it\n", v.Thaws, rounded(v.Thawed))
	}
	for _, lock := range slices.Sorted(maps.Keys(r.Exits)) {
		_, _ = fmt.Fprintf(w, "gates of %s ended, by status: %v\n", lock, r.Exits[lock])
	}
	for _, found := range slices.Concat(v.Overlaps, v.Tokens, v.Unexplained, v.Leaderless) {
		_, _ = fmt.Fprintf(w, "! %s\n", found)
	}
	_, err := fmt.Fprintf(w,
		"seed %d, %s: %d faults, %d hand-overs, %d overlaps (longer than %s), %d unexplained ends, %d tokens that do not grow, %d times without a leader for too long\n",
		r.Log.Seed, (r.Log.Finished - r.Log.Began).Round(time.Second), len(r.Log.Faults), v.HandOvers,
		len(v.Overlaps), rounded(v.Resolution), len(v.Unexplained), len(v.Tokens), len(v.Leaderless))
	return err
}

func rounded(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// save writes all of it as JSON.
func (r report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("save the report: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
