package gate

import (
	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// bubbleClock is an elector.Clock over the bubble's time.
type bubbleClock struct{ *electortest.Clock }

func newClock(rate float64) *bubbleClock { return &bubbleClock{electortest.NewClock(rate)} }

func (c *bubbleClock) NewTimer() elector.Timer { return c.Clock.NewTimer() }
