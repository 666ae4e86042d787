package verdict

import (
	"fmt"
	"time"
)

// Effect is what a fault may do to a leader that it hits.
type Effect string

const (
	// None explains nobody's end.
	None Effect = "none"
	// Ends explains the end of whomever it hits, one of each replica.
	Ends Effect = "ends"
	// Outage is that nothing which is stored or read gets through. It explains an
	// end once it has gone on for longer than the lock's Patience, together with
	// the outages that it runs into.
	Outage Effect = "outage"
	// Slow is that all gets through in time. By itself it explains nothing, nor do two
	// in a row, but a chain of outages goes on while it does.
	Slow Effect = "slow"
)

// Lock is one election, and what is promised of it.
type Lock struct {
	Name string `json:"name"`
	// Patience is for how long a leader has to go on without its store.
	Patience time.Duration `json:"patience"`
	// Recovery is what a leader needs after an outage to forget it.
	Recovery time.Duration `json:"recovery"`
	// Aftermath is how long after the beginning of an outage a leader may end
	// because of it, though it is over.
	Aftermath time.Duration `json:"aftermath"`
	// Bound is how long it may take, from the last fault on, until somebody leads.
	Bound time.Duration `json:"bound"`
}

// Fault is something that was done to the replicas of a lock, or to all. Times
// are CLOCK_BOOTTIME, durations whole nanoseconds in JSON.
type Fault struct {
	Number int    `json:"number"`
	Kind   string `json:"kind"`
	// Locks are those that it hits.
	Locks []string `json:"locks"`
	// Replica is the one that it hits; empty: all.
	Replica string        `json:"replica,omitempty"`
	Began   time.Duration `json:"began"`
	Ended   time.Duration `json:"ended"`
	Effect  Effect        `json:"effect"`
	// Until is, for the effect Ends, the last instant at which a leader may end
	// because of it.
	Until time.Duration `json:"until,omitempty"`
	// Silences: it keeps the command itself from noting that it lives.
	Silences bool `json:"silences,omitempty"`
	// Freezes: it stops all of the replica, whoever might end the command too.
	Freezes bool `json:"freezes,omitempty"`
}

// String names the fault for reports.
func (f Fault) String() string {
	whom := "all"
	if f.Replica != "" {
		whom = f.Replica
	}
	return fmt.Sprintf("#%d %s of %s at %v, %s to %s", f.Number, f.Kind, whom, f.Locks, f.Began, f.Ended)
}

// Log is what was done, to whom, and when. Everything was in place at Began and
// was left alone at Finished.
type Log struct {
	Seed     uint64        `json:"seed"`
	Locks    []Lock        `json:"locks"`
	Began    time.Duration `json:"began"`
	Finished time.Duration `json:"finished"`
	Faults   []Fault       `json:"faults"`
}
