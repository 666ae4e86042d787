// Package memory keeps the program small while it waits. Package app calls it.
package memory

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/memory/pages"
)

const (
	// stayPeriod is how often StaySmall lets go of what is not needed.
	stayPeriod = time.Minute
	// stayPercent has Go's runtime collect garbage at half of the 4 MB that it
	// waits for otherwise, between two of these minutes.
	stayPercent = 50
)

// Shed lets go of the memory that is needed no more, after a start or a term.
func Shed() {
	debug.FreeOSMemory()
	pages.Shed()
}

// StaySmall keeps a sidecar small, whose memory is in each Pod besides an
// application's: each answer over HTTP leaves garbage, and maps more of the
// program's own file. It returns when ctx ends.
func StaySmall(ctx context.Context) {
	debug.SetGCPercent(stayPercent)
	again := time.NewTicker(stayPeriod)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			Shed()
		case <-ctx.Done():
			return
		}
	}
}
