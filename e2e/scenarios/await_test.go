package scenarios

import (
	"context"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// patience bounds each wait of a scenario. It is for a busy machine: nothing is
// concluded from how long something took.
const patience = 2 * time.Minute

// pollPause is how long a scenario waits between two looks at the cluster.
const pollPause = 200 * time.Millisecond

// await waits until the condition holds, and fails the scenario where it does not
// in time.
func (s *scenario) await(what string, condition func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	began := time.Now()
	if err := cluster.Poll(ctx, pollPause, condition); err != nil {
		s.t.Fatalf("wait until %s: %v", what, err)
	}
	if took := time.Since(began); took > 5*time.Second { // for who wonders what a run takes its time for
		s.t.Logf("waited %s until %s", took.Round(100*time.Millisecond), what)
	}
}
