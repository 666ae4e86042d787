package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

// Samples of a crowd carry its size in their names.
func crowdGap(size int) string    { return fmt.Sprintf("crowd_%d_gap_ms", size) }        // old child's last sign → next child's start
func crowdFailed(size int) string { return fmt.Sprintf("crowd_%d_failed_writes", size) } // of the Lease, by all, in one hand-over

// crowd hands one Lease over again and again among many candidates: the leader's
// gate gets a TERM each time, and is not replaced. It returns the samples of those
// hand-overs that came about, also beside an error.
func (b *bench) crowd(ctx context.Context, t tool, size int) (samples []map[string]float64, err error) {
	f, err := b.newFleet(ctx, t, size, finest, false)
	defer func() {
		if err != nil && ctx.Err() == nil {
			progress("the replicas' last words:\n%s", f.logs())
		}
		if overlap, later := f.overlap(); later == nil {
			samples = append(samples, map[string]float64{otherOverlap: ms(overlap)})
		}
		err = errors.Join(err, f.stop())
	}()
	if err != nil {
		return nil, err
	}
	old, gate, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	for range min(b.settings.Runs, size-1) {
		from := time.Now()
		gate.signal(syscall.SIGTERM)
		next, err := f.next(ctx, old)
		if err != nil {
			return samples, err
		}
		if old, err = f.gone(ctx, old); err != nil {
			return samples, err
		}
		values := map[string]float64{crowdGap(size): ms(next.Started - old.Last)}
		// Who failed tries again, or claims the next place: that is part of it.
		if err := pause(ctx, b.settings.Settle); err != nil {
			return samples, err
		}
		failed, err := failedWrites(b.server, f.lease, from, time.Now())
		if err != nil {
			return samples, err
		}
		values[crowdFailed(size)] = float64(failed)
		samples = append(samples, values)
		old = next
		if gate, err = f.replica(next.Name); err != nil {
			return samples, err
		}
	}
	return samples, nil
}

// failedWrites counts the writes of a Lease that found it changed.
func failedWrites(server *apiserver.Server, lease string, from, to time.Time) (int, error) {
	requests, err := server.Requests("")
	if err != nil {
		return 0, err
	}
	count := 0
	for _, q := range requests {
		if q.Stage == "ResponseComplete" && q.ObjectRef.Name == lease && q.Received.After(from) && q.Received.Before(to) &&
			(q.ResponseStatus.Code == http.StatusConflict || q.ResponseStatus.Code == http.StatusUnprocessableEntity) {
			count++
		}
	}
	return count, nil
}
