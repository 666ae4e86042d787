package memory

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// stayPeriod is how often StaySmall lets go of what is not needed.
	stayPeriod = time.Minute
	// stayPercent has Go's runtime collect garbage at half of the 4 MB that it
	// waits for otherwise, between two of these minutes.
	stayPercent = 50
)

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
			ShedStartup()
		case <-ctx.Done():
			return
		}
	}
}
