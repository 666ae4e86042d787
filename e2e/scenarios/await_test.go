package scenarios

import (
	"context"
	"fmt"
	"time"
)

// patience bounds each wait of a scenario. It is for a busy machine: nothing is
// concluded from how long something took.
const patience = 2 * time.Minute

// poll returns when the condition holds. What the condition has said last is in
// the error.
func poll(ctx context.Context, condition func() error) error {
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// await waits until the condition holds, and fails the scenario where it does not
// in time.
func (s *scenario) await(what string, condition func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	began := time.Now()
	if err := poll(ctx, condition); err != nil {
		s.t.Fatalf("wait until %s: %v", what, err)
	}
	if took := time.Since(began); took > 5*time.Second { // for who wonders what a run takes its time for
		s.t.Logf("waited %s until %s", took.Round(100*time.Millisecond), what)
	}
}
