package main

import (
	"strings"
	"testing"
)

func TestMarkdown_PutsToolsBesideEachOther(t *testing.T) {
	t.Parallel()
	ours, other := &Result{Tool: "ours"}, &Result{Tool: "other|tool"}
	for _, gap := range []float64{6, 5, 40} {
		ours.sample(map[string]float64{termGap: gap, termGraceful: 1})
	}
	other.sample(map[string]float64{termGap: 17000, termGraceful: 0})
	other.sample(map[string]float64{cutOverlap: 4900})
	other.sample(map[string]float64{cutOverlap: 0})
	want := `| figure | LINBIT's, measured | reach | ours | other\|tool |
|---|---|---|---|---|
| TERM to the leader: old child's last sign → next child's start | 17.0 s, child not ended gracefully | ≤ 20 ms, child ended gracefully | 6.0 ms (5.0 ms – 40.0 ms), child ended gracefully in 3 of 3 | 17.0 s, child ended gracefully in 0 of 1 |
| leader black-holed from the API: two children at once for | 4.9–5.8 s | never | – | 4.9 s in 1 of 2 runs |
`
	if got := markdown(Settings{Idle: defaultIdle}, []*Result{ours, other}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMarkdown_SaysWhenTheMinuteWasNone(t *testing.T) {
	t.Parallel()
	r := &Result{}
	r.sample(map[string]float64{idleRequests: 0, idleWatches: 1})
	if got := markdown(Settings{Idle: defaultIdle / 6}, []*Result{r}); !strings.Contains(got, "sends in 10s while") {
		t.Errorf("got\n%s", got)
	}
}

func TestVerdict_IsAgainstAToolThatEverRanTwoChildrenOrWasNotMeasured(t *testing.T) {
	t.Parallel()
	good := &Result{}
	good.sample(map[string]float64{termGap: 5, otherOverlap: 0, cutOverlap: 0})
	if err := good.verdict(); err != nil {
		t.Errorf("good: %v", err)
	}
	for _, name := range []string{otherOverlap, cutOverlap, sidecarHTTP, sidecarFile} {
		bad := &Result{}
		bad.sample(map[string]float64{name: 0.001})
		if bad.verdict() == nil {
			t.Errorf("accepted an overlap in %s", name)
		}
	}
	if (&Result{Failures: []string{"term, run 1: no child"}}).verdict() == nil {
		t.Error("accepted a run that came to nothing")
	}
}
