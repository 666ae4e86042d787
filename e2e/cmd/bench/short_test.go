package main

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func TestShort_StandsBesideTheSameFigureAtTheOtherLease(t *testing.T) {
	t.Parallel()
	r := &Result{Tool: "ours"}
	r.sample(map[string]float64{gateBeyond: 20})
	r.sample(renamed(map[string]float64{gateBeyond: 7}))
	got := markdown(Settings{Idle: defaultIdle, Short: time.Second}, []*Result{r})
	for _, want := range []string{"| gate killed → next child's start, beyond lease expiry | up to 4.4 s | ≤ 30 ms | 20.0 ms |", "| lease 1s: gate killed → next child's start, beyond lease expiry |  |  | 7.0 ms |"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s in\n%s", want, got)
		}
	}
	p := newPlot(Report{Settings: Settings{Short: time.Second}, Results: []*Result{r}})
	if len(p.Dots) != 2 || p.Dots[0].Y == p.Dots[1].Y {
		t.Errorf("dots %+v, want two on different lines", p.Dots)
	}
}

func TestShort_HidesNoTwoAtOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{otherOverlap, cutOverlap} {
		r := &Result{}
		r.sample(renamed(map[string]float64{name: 1}))
		if r.verdict() == nil {
			t.Errorf("accepted %s", name)
		}
	}
	if got := renamed(map[string]float64{termGap: 1}); !maps.Equal(got, map[string]float64{"short_term_gap_ms": 1}) {
		t.Errorf("renamed to %v", got)
	}
}

func TestVerdict_IsAgainstAChildThatOutlivesItsLeaseInAnOutage(t *testing.T) {
	t.Parallel()
	for _, name := range []string{outageSpare, shortly + outageSpare} {
		r := &Result{}
		r.sample(map[string]float64{name: 5000})
		if err := r.verdict(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.sample(map[string]float64{name: -1})
		if r.verdict() == nil {
			t.Errorf("accepted a negative %s", name)
		}
	}
}
