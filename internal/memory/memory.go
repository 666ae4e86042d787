// Package memory keeps the program small while it waits. Package app calls it.
package memory

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/memory/pages"
)

const (
	// stayPeriod is between two times at which StaySmall lets go of it.
	stayPeriod = time.Minute
	// stayPercent has Go's runtime collect garbage at half of the 4 MB that it
	// waits for otherwise, between two of these minutes.
	stayPercent = 50
)

// StaySmall lets go of what only the start needed, after `first`, and of what was
// needed since then each minute: a gate counts to its application's memory, a sidecar
// is in each Pod, and each term or answer over HTTP leaves garbage, and maps more of the
// program's own file. It returns when ctx ends.
func StaySmall(ctx context.Context, first time.Duration) {
	debug.SetGCPercent(stayPercent)
	next := time.NewTimer(first)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			debug.FreeOSMemory()
			pages.Shed()
			next.Reset(stayPeriod)
		case <-ctx.Done():
			return
		}
	}
}
