package record

import (
	"fmt"
	"time"
)

// Overlap is the time during which two runs were both alive.
type Overlap struct {
	Earlier, Later Run
	For            time.Duration
}

// String tells the overlap in one line.
func (o Overlap) String() string {
	return fmt.Sprintf("two at once for %s: %s and %s", o.For, o.Earlier, o.Later)
}

// Awake is the part of the overlap that does not fall into the earlier run's
// longest silence: what counts of an overlap with a run that was frozen, and
// therefore did nothing.
func (o Overlap) Awake() time.Duration {
	began, ended := o.Later.Started, min(o.Earlier.Last, o.Later.Last)
	silent := min(ended, o.Earlier.Silent+o.Earlier.Silence) - max(began, o.Earlier.Silent)
	return o.For - max(0, silent)
}

// Overlaps returns every pair of runs that were alive at the same instant, of
// whatever replica; none is the proof that never two ran at once. The runs must
// be in the order of Read.
func Overlaps(runs []Run) []Overlap {
	var found []Overlap
	for i, earlier := range runs {
		for _, later := range runs[i+1:] {
			if later.Started > earlier.Last {
				break // and so are all that follow
			}
			found = append(found, Overlap{Earlier: earlier, Later: later, For: min(earlier.Last, later.Last) - later.Started})
		}
	}
	return found
}

// HandOver is the passage from one run to the next.
type HandOver struct {
	From, To Run
	// Gap is from From's last line to To's start; negative if they overlapped.
	Gap time.Duration
}

// HandOvers returns the passages between runs that follow each other. The runs
// must be in the order of Read.
func HandOvers(runs []Run) []HandOver {
	var list []HandOver
	for i := 1; i < len(runs); i++ {
		list = append(list, HandOver{From: runs[i-1], To: runs[i], Gap: runs[i].Started - runs[i-1].Last})
	}
	return list
}

// After returns the first run that started later than r, and whether there is
// one. The runs must be in the order of Read.
func After(runs []Run, r Run) (Run, bool) {
	for _, next := range runs {
		if next.Started > r.Started {
			return next, true
		}
	}
	return Run{}, false
}
