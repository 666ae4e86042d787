package verdict

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// shop is the lock of these tests.
var shop = Lock{
	Name: "shop", Patience: time.Second, Recovery: time.Second,
	Aftermath: 3 * time.Second, Bound: 5 * time.Second,
}

// run is one that has noted that it lives from start to last, at short intervals.
func run(name, token string, start, last time.Duration) record.Run {
	return record.Run{Name: name, PID: 2, Token: token, Started: start * time.Second, Last: last * time.Second}
}

// fault is one that hits everybody of the shop, from began to ended, and explains
// ends for a second more.
func fault(kind string, effect Effect, began, ended time.Duration) Fault {
	return Fault{
		Kind: kind, Locks: []string{"shop"}, Effect: effect,
		Began: began * time.Second, Ended: ended * time.Second, Until: (ended + 1) * time.Second,
	}
}

// of makes a fault one of a replica.
func of(replica string, f Fault) Fault {
	f.Replica = replica
	return f
}

// judged is the verdict on a minute of the shop.
func judged(runs []record.Run, faults ...Fault) Verdict {
	log := Log{Locks: []Lock{shop}, Finished: 60 * time.Second, Faults: faults}
	return Judge(log, map[string][]record.Run{"shop": runs})
}

// found are the lists of a verdict that have something.
func found(v Verdict) (names []string) {
	for name, list := range map[string][]string{
		"overlap": v.Overlaps, "token": v.Tokens, "unexplained": v.Unexplained, "leaderless": v.Leaderless,
	} {
		for range list {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestJudge_FindsWhatIsWrongAndNothingElse(t *testing.T) {
	kill := of("a", fault("KILL", Ends, 20, 20))
	rows := []struct {
		name   string
		runs   []record.Run
		faults []Fault
		want   string
	}{
		{"a hand-over after a fault", []record.Run{run("a", "1", 1, 20), run("b", "2", 23, 60)}, []Fault{kill}, ""},
		{"two at once", []record.Run{run("a", "1", 1, 21), run("b", "2", 20, 60)}, []Fault{kill}, "overlap"},
		{"two at once without tokens", []record.Run{run("a", "", 1, 60), run("b", "", 20, 60)}, nil, "overlap token token"},
		{"two at once with one token", []record.Run{run("a", "1", 1, 60), run("b", "1", 20, 60)}, nil, "overlap token"},
		{"two at once of one replica", []record.Run{run("a", "1", 1, 60), run("a", "1", 20, 60)}, nil, "overlap token"},
		{"the end of one that touches the start of the next", []record.Run{run("a", "1", 1, 20), run("b", "2", 20, 60)}, []Fault{kill}, "overlap"},
		{
			"a descendant beside its command",
			[]record.Run{run("a", "1", 1, 20), run("a's descendant", "1", 2, 20), run("b", "2", 21, 60)},
			[]Fault{kill}, "",
		},
		{
			"a descendant that lives on beside the next command",
			[]record.Run{run("a", "1", 1, 20), run("a's descendant", "1", 2, 22), run("b", "2", 21, 60)},
			[]Fault{kill}, "overlap unexplained", // and so the kill does not explain its end
		},
		{
			"a descendant that lives on beside its own replica's next command",
			[]record.Run{run("a", "1", 1, 20), run("a's descendant", "1", 2, 22), run("a", "2", 21, 60)},
			[]Fault{kill}, "overlap unexplained",
		},
		{
			"somebody else's descendant",
			[]record.Run{run("a", "1", 1, 60), run("b's descendant", "1", 2, 60)}, nil, "overlap token",
		},
		{"a token that stays", []record.Run{run("a", "2", 1, 20), run("b", "2", 23, 60)}, []Fault{kill}, "token"},
		{"a token that falls", []record.Run{run("a", "10", 1, 20), run("b", "9", 23, 60)}, []Fault{kill}, "token"},
		{"a token that is no number", []record.Run{run("a", "x", 1, 60)}, nil, "token"},
		{"an end without a fault", []record.Run{run("a", "1", 1, 20), run("b", "2", 23, 60)}, nil, "unexplained"},
		{
			"an end by a fault of another replica",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 23, 60)},
			[]Fault{of("b", kill)}, "unexplained",
		},
		{
			"an end by a fault of another lock",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 23, 60)},
			[]Fault{{Locks: []string{"bar"}, Effect: Ends, Began: 20 * time.Second, Ended: 20 * time.Second, Until: 21 * time.Second}},
			"unexplained",
		},
		{
			"a second end by one fault",
			[]record.Run{run("a", "1", 1, 19), run("a", "2", 20, 21), run("b", "3", 23, 60)},
			[]Fault{of("a", fault("TERM", Ends, 19, 20))}, "unexplained",
		},
		{"an end before its fault", []record.Run{run("a", "1", 1, 18), run("b", "2", 21, 60)}, []Fault{kill}, "unexplained"},
		{"an end long after its fault", []record.Run{run("a", "1", 1, 23), run("b", "2", 26, 60)}, []Fault{kill}, "unexplained"},
		{
			"an end by a fault that ends nobody",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 23, 60)},
			[]Fault{fault("reset", None, 19, 21)}, "unexplained",
		},
		{
			"an end in a long outage",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 25, 60)},
			[]Fault{fault("black hole", Outage, 18, 22)}, "",
		},
		{
			"an end at the beginning of a long outage",
			[]record.Run{run("a", "1", 1, 18), run("b", "2", 25, 60)},
			[]Fault{fault("black hole", Outage, 18, 22)}, "unexplained",
		},
		{
			"an end long after a long outage",
			[]record.Run{run("a", "1", 1, 24), run("b", "2", 25, 60)},
			[]Fault{fault("black hole", Outage, 18, 22)}, "unexplained",
		},
		{
			"an end soon after an outage that was too long",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 25, 60)},
			[]Fault{{Locks: []string{"shop"}, Effect: Outage, Began: 18 * time.Second, Ended: 19500 * time.Millisecond}}, "",
		},
		{
			"an end in an outage that a leader sits out",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 25, 60)},
			[]Fault{fault("black hole", Outage, 19, 20)}, "unexplained",
		},
		{
			"an end in two such outages in a row",
			[]record.Run{run("a", "1", 1, 21), run("b", "2", 25, 60)},
			[]Fault{fault("black hole", Outage, 19, 20), fault("500", Outage, 20, 21)}, "",
		},
		{
			"an end by what is only slow",
			[]record.Run{run("a", "1", 1, 21), run("b", "2", 25, 60)},
			[]Fault{fault("slow", Slow, 15, 25)}, "unexplained",
		},
		{
			"an end by two in a row that are only slow",
			[]record.Run{run("a", "1", 1, 21), run("b", "2", 25, 60)},
			[]Fault{fault("STOP", Slow, 15, 20), fault("half-open", Slow, 20, 25)}, "unexplained",
		},
		{
			"an end by three of them",
			[]record.Run{run("a", "1", 1, 21), run("b", "2", 25, 60)},
			[]Fault{fault("STOP", Slow, 15, 19), fault("half-open", Slow, 19, 20), fault("reset", Slow, 20, 20)}, "",
		},
		{
			"an end in an outage that a leader sits out, after a standstill",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 25, 60)},
			[]Fault{of("a", fault("STOP", Slow, 18, 19)), fault("black hole", Outage, 19, 20)}, "",
		},
		{
			"nobody for too long",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 26, 60)}, []Fault{kill}, "leaderless",
		},
		{
			"nobody for too long, with faults that hold nobody up",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 26, 60)},
			[]Fault{kill, fault("reset", None, 21, 25), {Locks: []string{"bar"}, Effect: Outage, Began: 21 * time.Second, Ended: 25 * time.Second}},
			"leaderless",
		},
		{
			"nobody for long while it is made impossible",
			[]record.Run{run("a", "1", 1, 20), run("b", "2", 43, 60)},
			[]Fault{kill, fault("etcd", Outage, 21, 40)}, "",
		},
		{"nobody at first for too long", []record.Run{run("a", "1", 6, 60)}, nil, "leaderless"},
		{"nobody at the end", []record.Run{run("a", "1", 1, 20)}, []Fault{kill}, "leaderless"},
		{"nobody ever", nil, nil, "leaderless"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			v := judged(row.runs, row.faults...)
			if got := strings.Join(found(v), " "); got != row.want {
				t.Errorf("found %q, want %q: %+v", got, row.want, v)
			}
			if want := len(strings.Fields(row.want)); v.Problems() != want {
				t.Errorf("%d problems, want %d", v.Problems(), want)
			}
		})
	}
}

func TestJudge_LeavesALaterFaultToALaterTermOfTheReplica(t *testing.T) {
	busy := run("a", "1", 1, 20)
	busy.Silent, busy.Silence = 5*time.Second, 3*time.Second // so each may have lived that much longer
	runs := []record.Run{busy, run("a", "2", 21, 22), run("b", "3", 23, 60)}
	first, second := of("a", fault("KILL", Ends, 20, 20)), of("a", fault("TERM", Ends, 22, 22))
	if v := judged(runs, first, second); v.Problems() > 0 {
		t.Errorf("two ends by two faults: %+v", v)
	}
	if v := judged(runs, second); len(v.Unexplained) != 1 {
		t.Errorf("two ends by one fault: %+v", v)
	}
}

func TestJudge_TakesAStoppedCommandForAliveUntilItGoesOn(t *testing.T) {
	stopped := of("a", Fault{
		Kind: "STOP", Locks: []string{"shop"}, Effect: None, Silences: true, Began: 20 * time.Second, Ended: 25 * time.Second,
	})
	killed := of("a", fault("KILL", Ends, 23, 23))
	runs := []record.Run{run("a", "1", 1, 20), run("b", "2", 26, 60)}
	if v := judged(runs, stopped, killed); v.Problems() > 0 {
		t.Errorf("killed while it was stopped: %+v", v)
	}
	runs[0].Ended = true // it noted its end, so it was not stopped any more
	if v := judged(runs, stopped, killed); len(v.Unexplained) != 1 {
		t.Errorf("ended before it was killed: %+v", v)
	}
	runs[0].Ended = false
	if v := judged(runs, stopped); len(v.Unexplained) != 1 {
		t.Errorf("ended while it was stopped: %+v", v)
	}
}

func TestJudge_ForgivesAnInstantAfterAThawAndNoMore(t *testing.T) {
	frozen := of("a", fault("frozen", Ends, 20, 30))
	frozen.Silences, frozen.Freezes = true, true
	thawed := func(lives time.Duration) []record.Run {
		a := run("a", "1", 1, 30)
		a.Silent, a.Silence = 20*time.Second, 10*time.Second
		a.Last += lives
		return []record.Run{a, run("b", "2", 24, 60)}
	}
	if v := judged(thawed(50*time.Millisecond), frozen); v.Problems() > 0 || v.Thaws != 1 || v.Thawed != 50*time.Millisecond {
		t.Errorf("an instant after the thaw: %+v", v)
	}
	if v := judged(thawed(time.Second), frozen); len(v.Overlaps) != 1 {
		t.Errorf("a second after the thaw: %+v", v)
	}
	stoppedBefore := thawed(50 * time.Millisecond)
	stoppedBefore[0].Silent, stoppedBefore[0].Silence = 2*time.Second, 12*time.Second
	if v := judged(stoppedBefore, frozen); v.Problems() > 0 {
		t.Errorf("an instant after the thaw, and stopped for longer before: %+v", v)
	}
	through := thawed(50 * time.Millisecond)
	through[0].Silence = 5 * time.Millisecond
	if v := judged(through, frozen); len(v.Overlaps) != 1 {
		t.Errorf("alive all through the freeze: %+v", v)
	}
	through[0].Last = 26 * time.Second
	if v := judged(through, frozen); len(v.Overlaps) != 1 {
		t.Errorf("alive in the middle of the freeze: %+v", v)
	}
	stopped := frozen
	stopped.Freezes = false
	if v := judged(thawed(50*time.Millisecond), stopped); len(v.Overlaps) != 1 {
		t.Errorf("an instant after a fault that does not freeze: %+v", v)
	}
}

func TestJudge_BlamesTheOutageOfAChainNotWhatWasOnlySlow(t *testing.T) {
	runs := []record.Run{run("a", "1", 1, 20), run("b", "2", 25, 60)}
	v := judged(runs, of("a", fault("STOP", Slow, 16, 19)), fault("black hole", Outage, 19, 20))
	for _, k := range v.Kinds {
		if want := map[string]int{"black hole": 1}[k.Kind]; k.Ended != want {
			t.Errorf("%s ended %d, want %d", k.Kind, k.Ended, want)
		}
	}
}

func TestJudge_TellsTheFaultsBeforeAnEndThatNothingExplains(t *testing.T) {
	near, far := fault("reset", None, 19, 19), fault("rotated", None, 5, 5)
	v := judged([]record.Run{run("a", "1", 1, 20), run("b", "2", 23, 60)}, near, far)
	if len(v.Unexplained) != 1 || !strings.Contains(v.Unexplained[0], near.String()) || strings.Contains(v.Unexplained[0], far.String()) {
		t.Errorf("told %q", v.Unexplained)
	}
}

func TestJudge_MakesFiguresForEachKindAndLock(t *testing.T) {
	v := judged(
		[]record.Run{run("a", "1", 1, 20), run("b", "2", 23, 40), run("a", "3", 41, 60)},
		of("a", fault("KILL", Ends, 20, 20)), of("b", fault("KILL", Ends, 40, 40)), of("a", fault("KILL", Ends, 50, 50)),
		fault("reset", None, 30, 30),
	)
	// The third hit a standby: who led then lives on. That it has not ended a
	// leader is no problem.
	want := []Kind{
		{Kind: "KILL", Effect: Ends, Faults: 3, Ended: 2, Longest: 3 * time.Second},
		{Kind: "reset", Effect: None, Faults: 1},
	}
	if !slices.Equal(v.Kinds, want) {
		t.Errorf("kinds %+v, want %+v", v.Kinds, want)
	}
	lock := LockFigures{
		Lock: "shop", Starts: 3, HandOvers: 2, Shortest: time.Second, Recovery: 3 * time.Second,
		Bound: shop.Bound, Alone: 4,
	}
	if len(v.Locks) != 1 || v.Locks[0] != lock || v.HandOvers != 2 || v.Problems() > 0 {
		t.Errorf("%+v, want of the lock %+v", v, lock)
	}
}

func TestJudge_TellsTheLongestSilenceThatNothingExplains(t *testing.T) {
	a, b := run("a", "1", 1, 20), run("b", "2", 23, 60)
	a.Silent, a.Silence = 10*time.Second, 4*time.Second
	b.Silent, b.Silence = 30*time.Second, 20*time.Millisecond
	stopped := of("a", Fault{Kind: "STOP", Locks: []string{"shop"}, Effect: None, Silences: true, Began: 10 * time.Second, Ended: 14 * time.Second})
	killed := of("a", fault("KILL", Ends, 20, 20))
	if v := judged([]record.Run{a, b}, stopped, killed); v.Resolution != b.Silence {
		t.Errorf("%s, want %s", v.Resolution, b.Silence)
	}
	if v := judged([]record.Run{a, b}, fault("reset", None, 10, 14), killed); v.Resolution != a.Silence {
		t.Errorf("%s, want %s", v.Resolution, a.Silence)
	}
}
