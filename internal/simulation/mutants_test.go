package simulation

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	mutants   = flag.String("mutants", "few", "which mutants to try: few, all, none, or a part of a name")
	tries     = flag.Uint64("tries", 20000, "how many schedules may pass before a mutant counts as not found")
	keepTrace = flag.String("traces", "", "directory to which the schedule that finds each mutant is written")
)

// mutant is a fault put into a copy of the source on purpose.
type mutant struct {
	name string
	// rule is the one it breaks.
	rule string
	// file is relative to internal/. old must be in it exactly once.
	file, old, new string
	// finds is a part of what the judge says. Empty: that two commands run.
	finds string
	// quick: found within a few schedules, and tried in every run of the tests.
	quick bool
}

var allMutants = []mutant{
	{
		name: "release before death", quick: true,
		rule: "the lease is released only when nothing of the command is left",
		file: "gate/gate.go",
		old:  "if err := process.Sweep(ctx); err != nil {",
		new:  "go func() { _ = process.Sweep(context.Background()) }()\n\tif err := error(nil); err != nil {",
	},
	{
		name: "T0 from the answer", quick: true,
		rule: "T0 is read before the write is sent",
		file: "elector/ask.go",
		old:  "sent := clock.Now()\n\t\tobs, err := q.request(ctx)",
		new:  "obs, err := q.request(ctx)\n\t\tsent := clock.Now()",
	},
	{
		name: "T0 from a read, by the holder",
		rule: "reading one's own name moves nothing",
		file: "elector/term.go",
		old:  "unsettled, due = a.err != nil, clock.Now()",
		new:  "if a.err == nil && e.mine(a.obs) {\n\t\t\t\tt.t0.Store(int64(a.sent))\n\t\t\t}\n\t\t\tunsettled, due = a.err != nil, clock.Now()",
	},
	{
		name: "T0 from a read, by the candidate",
		rule: "an acquire with an unknown outcome is settled by reading, but never led from",
		file: "elector/candidate.go",
		old:  "\t\t\tc.settled(a)\n",
		new:  "\t\t\tc.settled(a)\n\t\t\tif a.err == nil && c.mine(a.obs) {\n\t\t\t\tif term := newTerm(c.Elector, a); term != nil {\n\t\t\t\t\treturn term, nil\n\t\t\t\t}\n\t\t\t}\n",
	},
	{
		name: "T0 from a no-op",
		rule: "an answer with the former revision renews nothing",
		file: "elector/ask.go",
		old:  "if a.err == nil && a.obs.Revision == from.Revision {",
		new:  "if false {",
	},
	{
		name: "PUT without uid",
		rule: "every write names the uid of the object that it was made for",
		file: "simulation/lock_test.go",
		old:  "uid, revision = base.uid, base.revision",
		new:  "revision = base.revision",
	},
	{
		name: "deletion taken for release", quick: true,
		rule: "who saw a holder waits out its duration, unless it was released",
		file: "elector/candidate.go",
		old:  `case holder == "" && s.held == 0:`,
		new:  `case holder == "":`,
	},
	{
		name: "no kill margin", quick: true,
		rule: "the command is killed KillMargin before the end of the lease",
		file: "elector/config.go",
		old:  "return max(lease/10, minKillMargin)",
		new:  "return min(lease/1000, minKillMargin)",
	},
	{
		name: "duration rounded down", quick: true,
		rule: "the record's duration is rounded up to whole seconds",
		file: "elector/config.go",
		old:  "return (d + time.Second - 1) / time.Second * time.Second",
		new:  "return max(time.Second, d/time.Second*time.Second)",
	},
	{
		name: "same identity trusted", quick: true,
		rule: "a name proves nothing: its lease is taken back only from a predecessor that is proven dead",
		file: "elector/candidate.go",
		old:  "if g := s.gate(); holder == c.Identity && g != nil && c.Instance.succeeds(*g) {",
		new:  "if holder == c.Identity {",
	},
	{
		name: "spawn after the deadline",
		rule: "nothing is spawned after T0 + RenewDeadline",
		file: "gate/gate.go",
		old:  "strconv.FormatUint(term.Token(), 10)}, term.Valid)",
		new:  "strconv.FormatUint(term.Token(), 10)}, func() bool { return true })",
	},
	{
		name:  "expiry restarted by metadata",
		rule:  "only changes of the record proper restart the wait",
		file:  "elector/sight.go",
		old:   "func (s *sight) watch(obs Observation) {\n",
		new:   "func (s *sight) watch(obs Observation) {\n\tobs.Spec += string(rune(obs.Revision))\n",
		finds: "nobody leads",
	},
	{
		name: "release of another's record", quick: true,
		rule: "only one's own record is released",
		file: "elector/candidate.go",
		old:  "if !e.mine(s.obs) {\n\t\t\treturn false, nil\n\t\t}\n\t\tat :=",
		new:  "at :=",
	},
	{
		name: "own duration in place of the record's",
		rule: "a candidate waits for as long as the record says",
		file: "elector/sight.go",
		old:  "if r.LeaseDuration > 0 {\n\t\treturn r.LeaseDuration\n\t}\n\treturn s.own",
		new:  "return s.own",
	},
	{
		name:  "deadline on a clock that stands still in suspend",
		finds: "before the end of its lease",
		rule:  "the holder's clock is CLOCK_BOOTTIME",
		file:  "simulation/weather_test.go",
		old:   "p.candidate.standStill(w.now() - since)",
		new:   "p.candidate.standStill(w.now() - since)\n\t\t\t\tp.holder.standStill(w.now() - since)",
	},
	{
		name: "deadline kept by the gate alone",
		rule: "whoever keeps the deadline in the gate's place is told it before T0 moves",
		file: "elector/term.go",
		old:  "t.e.Deadline(t0 + t.e.LeaseDuration - KillMargin(t.e.LeaseDuration))",
		new:  "",
	},
	{
		name: "a lock made with its holder in it",
		rule: "a lock is made without a holder",
		file: "elector/candidate.go",
		old:  "\t\tc.create(ctx, s)\n\t\treturn never\n\t}\n",
		new:  "\t}\n",
	},
	{
		name:  "renewals too seldom",
		rule:  "the next renewal is sent at T0 + RetryPeriod",
		file:  "elector/term.go",
		old:   "due = t.renewed() + e.RetryPeriod\n\t\t\tcase errors.Is(a.err, ErrConflict):",
		new:   "due = t.renewed() + 2*e.RenewDeadline\n\t\t\tcase errors.Is(a.err, ErrConflict):",
		finds: "deposed",
	},
	{
		name:  "no second try",
		rule:  "after RetryPeriod of silence another try is sent on another connection",
		file:  "elector/ask.go",
		old:   "if now >= again && running < 2 {",
		new:   "if now >= again && running < 2 {\n\t\t\t\tagain = never\n\t\t\t\tcontinue\n\t\t\t}\n\t\t\tif now >= again && running < 2 {",
		finds: "deposed",
	},
	{
		name:  "waiting past the deadline",
		rule:  "however long the server asks to be left alone, there is a last try before the deadline",
		file:  "elector/term.go",
		old:   "pause > left {",
		new:   "false && pause > left {",
		finds: "deposed",
	},
	{
		name:  "the guard is told once",
		rule:  "whoever keeps the deadline in the gate's place is told it each time that T0 moves",
		file:  "elector/term.go",
		old:   "t.e.Deadline(t0 + t.e.LeaseDuration - KillMargin(t.e.LeaseDuration))",
		new:   "if t.renewed() == 0 {\n\t\tt.e.Deadline(t0 + t.e.LeaseDuration - KillMargin(t.e.LeaseDuration))\n\t}",
		finds: "deposed",
	},
	{
		name:  "an older tool's lease halved",
		rule:  "an older tool's record is waited out like a gate's",
		file:  "elector/candidate.go",
		old:   "lease := c.sight.duration(s.obs.Record)\n",
		new:   "lease := c.sight.duration(s.obs.Record)\n\tif s.gate() == nil {\n\t\tlease /= 2\n\t}\n",
		finds: "too early",
	},
	{
		name:  "expiry restarted by our annotations",
		rule:  "only changes of the record proper restart the wait",
		file:  "elector/sight.go",
		old:   "func (s *sight) watch(obs Observation) {\n",
		new:   "func (s *sight) watch(obs Observation) {\n\tobs.Spec += obs.Record.Instance + obs.Record.Heir\n",
		finds: "nobody leads",
	},
	{
		name:  "any sight of an empty record restarts its wait",
		rule:  "what a watch has shown without a gap hides no holder",
		file:  "elector/sight.go",
		old:   "s.since < s.now.changed",
		new:   "false",
		finds: "nobody leads",
	},
	{
		name:  "a gap hides nothing",
		rule:  "while nobody is named as holder, what comes after a gap restarts the wait",
		file:  "elector/sight.go",
		old:   "!obs.Follows || obs.Spec",
		new:   "obs.Spec",
		finds: "too early",
	},
	{
		name:  "another boot trusted",
		rule:  "a lease is taken back only on the machine that has not been restarted",
		file:  "elector/instance.go",
		old:   "i.BootID != \"\" && i.BootID == before.BootID",
		new:   "true",
		finds: "too early",
	},
	{
		name:  "another network namespace trusted",
		rule:  "a lease is taken back only in the same network namespace",
		file:  "elector/instance.go",
		old:   "i.NetNS != 0 && i.NetNS == before.NetNS",
		new:   "true",
		finds: "too early",
	},
	{
		name:  "another Pod trusted",
		rule:  "a lease is taken back only in the same Pod, where that is known",
		file:  "elector/instance.go",
		old:   "(i.PodUID == \"\" || before.PodUID == \"\" || i.PodUID == before.PodUID)",
		new:   "true",
		finds: "too early",
	},
	{
		name:  "a gate that was not PID 1 trusted",
		rule:  "a lease is taken back only if everything died with the predecessor",
		file:  "elector/instance.go",
		old:   "i.Exclusive && before.Init &&",
		new:   "i.Exclusive &&",
		finds: "too early",
	},
	{
		name:  "the socket not asked for",
		rule:  "a lease is taken back only by who holds the socket of its identity",
		file:  "elector/instance.go",
		old:   "i.Exclusive && before.Init &&",
		new:   "before.Init &&",
		finds: "too early",
	},
	{
		name:  "a predecessor without the socket trusted",
		rule:  "a free socket proves the death of one that held it",
		file:  "elector/elector.go",
		old:   "c.Instance.Init = c.Instance.Init && c.Instance.Exclusive",
		new:   "",
		finds: "too early",
	},
}

var foundSeed = regexp.MustCompile(`(?s)seed (\d+): ([^\n]*)\n(.*?)run it again`)

// Without it nobody could know whether the judge sees anything.
func TestMutants_AreFound(t *testing.T) {
	for _, m := range allMutants {
		switch *mutants {
		case "none":
			continue
		case "all":
		case "few":
			if !m.quick {
				continue
			}
		default:
			if !strings.Contains(m.name, *mutants) {
				continue
			}
		}
		t.Run(m.name, func(t *testing.T) {
			seed, wrong, story := m.hunt(t)
			if seed == "" {
				t.Fatalf("not found in %d schedules", *tries)
			}
			fmt.Printf("mutant found: %s: seed %s: %s\n", m.name, seed, wrong)
			if *keepTrace != "" {
				name := filepath.Join(*keepTrace, strings.ReplaceAll(m.name, " ", "-")+".txt")
				if err := os.WriteFile(name, []byte(fmt.Sprintf("seed %s: %s\n%s", seed, wrong, story)), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// hunt builds the simulation with the fault in it and returns what finds it.
func (m mutant) hunt(t *testing.T) (seed, wrong, story string) {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join("..", m.file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("internal/%s has this %d times, and must have it once: put the mutant in order\n%s", m.file, n, m.old)
	}
	mutated := filepath.Join(dir, "mutated.go")
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{file: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		mutated: strings.Replace(string(source), m.old, m.new, 1),
		overlay: string(text),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "simulation.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "-test.run=^TestElection", "-schedules", fmt.Sprint(*tries),
		"-verdict", cmp.Or(m.finds, "starts while that of")).CombinedOutput()
	if err == nil {
		return "", "", ""
	}
	found := foundSeed.FindStringSubmatch(string(out))
	if found == nil {
		t.Fatalf("the simulation ends with %v and names no seed:\n%s", err, out)
	}
	return found[1], found[2], found[3]
}
