package record

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWriter_LeavesARunThatReadFindsAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs")
	w, err := Begin(path, "a", "7")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Beat(); err != nil {
		t.Fatal(err)
	}
	living := read(t, path)
	if len(living) != 1 || living[0].Ended || living[0].Last <= living[0].Started {
		t.Fatalf("while it lives: %+v", living)
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	ended := read(t, path)
	if len(ended) != 1 || !ended[0].Ended || ended[0].Last < living[0].Last {
		t.Fatalf("after its end: %+v", ended)
	}
	if r := ended[0]; r.Name != "a" || r.Token != "7" || r.PID != os.Getpid() {
		t.Errorf("identity: %+v", r)
	}
}

func TestWriter_AddsNothingAfterItsEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs")
	w, err := Begin(path, "a", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	if err := w.Beat(); err != nil {
		t.Errorf("beat: %v", err)
	}
	if err := w.End(); err != nil {
		t.Errorf("second end: %v", err)
	}
	if after := read(t, path); !slices.Equal(before, after) {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestWriter_BeatsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs")
	w, err := Begin(path, "a", "")
	if err != nil {
		t.Fatal(err)
	}
	started := read(t, path)[0].Started
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- w.BeatEvery(ctx, time.Microsecond) }()
	for read(t, path)[0].Last == started {
		if t.Context().Err() != nil {
			t.Fatal("no beat")
		}
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := w.End(); err != nil {
		t.Error(err)
	}
}

func TestBegin_RefusesANameThatWouldBreakTheLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs")
	for _, name := range []string{"a\tb", "a\nb"} {
		if _, err := Begin(path, name, ""); err == nil {
			t.Errorf("accepted %q", name)
		}
	}
}

func TestRead_TakesAMissingFileForNoRuns(t *testing.T) {
	t.Parallel()
	if runs := read(t, filepath.Join(t.TempDir(), "absent")); len(runs) != 0 {
		t.Errorf("got %+v", runs)
	}
}

func TestRead_LeavesOutALineThatIsBeingWritten(t *testing.T) {
	t.Parallel()
	path := write(t, "start\t10\t10\t1\ta\t1\nbeat\t20\t10\t1\ta\t1\nbeat\t30\t1")
	if runs := read(t, path); len(runs) != 1 || runs[0].Last != 20 {
		t.Errorf("got %+v", runs)
	}
}

func TestReader_ContinuesWhereItStopped(t *testing.T) {
	t.Parallel()
	path := write(t, "start\t10\t10\t1\ta\t1\nbeat\t20\t10")
	reader := NewReader(path)
	if runs, err := reader.Runs(); err != nil || len(runs) != 1 || runs[0].Last != 10 {
		t.Fatalf("runs %+v, error %v", runs, err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString("\t1\ta\t1\nend\t30\t10\t1\ta\t1\nstart\t40\t40\t1\tb\t2\n"); err != nil {
		t.Fatal(err)
	}
	runs, err := reader.Runs()
	if err != nil || len(runs) != 2 || runs[0].Last != 30 || !runs[0].Ended || runs[1].Name != "b" {
		t.Errorf("runs %+v, error %v", runs, err)
	}
}

func TestRead_SortsTheRunsOfAllFilesByTheirStart(t *testing.T) {
	t.Parallel()
	late := write(t, "start\t30\t30\t1\ta\t1\n")
	early := write(t, "start\t10\t10\t1\ta\t1\nbeat\t12\t10\t1\ta\t1\nbeat\t19\t10\t1\ta\t1\nend\t20\t10\t1\ta\t1\n")
	want := []Run{
		{Name: "a", PID: 1, Token: "1", Started: 10, Last: 20, Ended: true, Silence: 7, Silent: 12},
		{Name: "a", PID: 1, Token: "1", Started: 30, Last: 30, Silent: 30},
	}
	if runs := read(t, late, early); !slices.Equal(runs, want) {
		t.Errorf("got %+v", runs)
	}
}

func TestRead_RefusesWhatNoRunWrites(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a beat without a start":          "beat\t20\t10\t1\ta\t1\n",
		"a second start":                  "start\t10\t10\t1\ta\t1\nstart\t10\t10\t1\ta\t1\n",
		"a beat after the end":            "start\t10\t10\t1\ta\t1\nend\t20\t10\t1\ta\t1\nbeat\t21\t10\t1\ta\t1\n",
		"time that runs backwards":        "start\t10\t10\t1\ta\t1\nbeat\t9\t10\t1\ta\t1\n",
		"an unknown kind of line":         "start\t10\t10\t1\ta\t1\nstop\t20\t10\t1\ta\t1\n",
		"a field too few":                 "start\t10\t10\t1\ta\n",
		"a time that is no number":        "start\tnow\t10\t1\ta\t1\n",
		"a pid that is no number":         "start\t10\t10\tone\ta\t1\n",
		"a start time that is no number":  "start\t10\tnow\t1\ta\t1\n",
		"an empty line between two lines": "start\t10\t10\t1\ta\t1\n\nbeat\t11\t10\t1\ta\t1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if runs, err := Read(write(t, text)); err == nil || !strings.Contains(err.Error(), "runs:") {
				t.Errorf("runs %+v, error %v", runs, err)
			}
		})
	}
}

func TestOverlaps_FindsEveryPairThatLivedAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		runs []Run
		want []time.Duration
	}{
		"none":                             {runs: nil},
		"one after the other":              {runs: []Run{{Started: 10, Last: 20}, {Started: 21, Last: 30}}},
		"at one instant":                   {runs: []Run{{Started: 10, Last: 20}, {Started: 20, Last: 30}}, want: []time.Duration{0}},
		"the later outlives the earlier":   {runs: []Run{{Started: 10, Last: 20}, {Started: 15, Last: 30}}, want: []time.Duration{5}},
		"the later ends within":            {runs: []Run{{Started: 10, Last: 40}, {Started: 15, Last: 18}}, want: []time.Duration{3}},
		"over one that came between":       {runs: []Run{{Started: 10, Last: 40}, {Started: 15, Last: 18}, {Started: 30, Last: 50}}, want: []time.Duration{3, 10}},
		"the same replica, started double": {runs: []Run{{Name: "a", Started: 10, Last: 20}, {Name: "a", Started: 19, Last: 22}}, want: []time.Duration{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []time.Duration
			for _, o := range Overlaps(c.runs) {
				got = append(got, o.For)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestOverlap_IsAwakeOnlyWhereTheEarlierRunWasNotSilent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		earlier, later Run
		want           time.Duration
	}{
		"the later starts within the silence":      {Run{Started: 10, Silent: 12, Silence: 40, Last: 55}, Run{Started: 20, Last: 90}, 3},
		"nothing comes after the silence":          {Run{Started: 10, Silent: 12, Silence: 40, Last: 52}, Run{Started: 20, Last: 90}, 0},
		"the later starts after the silence":       {Run{Started: 10, Silent: 12, Silence: 40, Last: 90}, Run{Started: 60, Last: 95}, 30},
		"the later starts before the silence":      {Run{Started: 10, Silent: 20, Silence: 40, Last: 65}, Run{Started: 17, Last: 95}, 8},
		"the later ends within the silence":        {Run{Started: 10, Silent: 12, Silence: 40, Last: 55}, Run{Started: 20, Last: 30}, 0},
		"the silence comes after the later's end":  {Run{Started: 10, Silent: 40, Silence: 40, Last: 85}, Run{Started: 20, Last: 30}, 10},
		"the later was there all of the time left": {Run{Started: 10, Silent: 12, Silence: 1, Last: 30}, Run{Started: 13, Last: 90}, 17},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := Overlaps([]Run{c.earlier, c.later})
			if len(all) != 1 {
				t.Fatalf("overlaps %v", all)
			}
			if got := all[0].Awake(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestHandOvers_MeasuresFromTheLastSignToTheNextStart(t *testing.T) {
	t.Parallel()
	runs := []Run{{Name: "a", Started: 10, Last: 20}, {Name: "b", Started: 24, Last: 40}, {Name: "a", Started: 39, Last: 50}}
	var got []time.Duration
	for _, h := range HandOvers(runs) {
		got = append(got, h.Gap)
	}
	if want := []time.Duration{4, -1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAfter_FindsTheNextStart(t *testing.T) {
	t.Parallel()
	runs := []Run{{Name: "a", Started: 10}, {Name: "b", Started: 20}}
	if next, ok := After(runs, runs[0]); !ok || next.Name != "b" {
		t.Errorf("after the first: %v %v", next, ok)
	}
	if next, ok := After(runs, runs[1]); ok {
		t.Errorf("after the last: %v", next)
	}
}

func read(t *testing.T, paths ...string) []Run {
	t.Helper()
	runs, err := Read(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runs")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
