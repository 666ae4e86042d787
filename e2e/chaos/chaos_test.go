package chaos

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

var (
	duration = flag.Duration("duration", 0, "how long TestChaos hurts; 0: not at all")
	seed     = flag.Uint64("seed", 1, "what decides the faults of TestChaos")
	replicas = flag.Int("replicas", 5, "replicas of each lock, at most 26")
	keep     = flag.String("keep", "", "leave the report, the records and the logs in this `directory`")

	server   *apiserver.Server
	programs stage.Programs
)

func TestMain(m *testing.M) {
	os.Exit(stage.Main(m, func(s *apiserver.Server, p stage.Programs) { server, programs = s, p }))
}

// folder is where a test leaves what it has seen.
func folder(t *testing.T) string {
	t.Helper()
	if *keep == "" {
		return t.TempDir()
	}
	// Not over what another run has left.
	if err := os.RemoveAll(*keep); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(*keep, 0o755); err != nil {
		t.Fatal(err)
	}
	return *keep
}

// judge reads what the commands have noted, and nothing else.
func judge(t *testing.T, log verdict.Log, out string) verdict.Verdict {
	t.Helper()
	runs := map[string][]record.Run{}
	for _, lock := range log.Locks {
		var err error
		if runs[lock.Name], err = record.Read(filepath.Join(out, lock.Name+".runs")); err != nil {
			t.Fatal(err)
		}
	}
	return verdict.Judge(log, runs)
}

func TestChaos(t *testing.T) {
	if *duration == 0 {
		t.Skip("TestChaos needs -duration; run make chaos")
	}
	if !stage.IsRoot() {
		t.Fatal("chaos needs root, for namespaces and a file system of its own")
	}
	if *replicas < 1 || *replicas > 26 {
		t.Fatalf("-replicas is %d, want 1 to 26", *replicas)
	}
	out := folder(t)
	fmt.Printf("seed %d, %d replicas of %d locks, %s\n", *seed, *replicas, len(elections), *duration)
	var fleets []*fleet
	var onServer []string
	for _, e := range elections {
		fleets = append(fleets, newFleet(t, server, programs, e, *replicas, out))
		if e.store == leases {
			onServer = append(onServer, e.name)
		}
	}
	r := newRunner(t, *seed, fleets)
	canary := newCanary(t, server.Client(), onServer)
	r.run(*duration)
	r.log.Faults = append(r.log.Faults, canary.unexplained(t, r.log)...)
	exits := map[string]map[int]int{}
	for _, f := range r.fleets {
		exits[f.name] = f.exits
	}
	result := report{Replicas: *replicas, Verdict: judge(t, r.log, out), Exits: exits, Dropped: r.dropped, Log: r.log}
	if err := result.print(os.Stdout); err != nil {
		t.Error(err)
	}
	if err := result.save(filepath.Join(out, "report.json")); err != nil {
		t.Error(err)
	}
	if result.Verdict.Problems() > 0 {
		t.Errorf("what was promised did not hold with seed %d; the report, the records and the logs are in %s", *seed, out)
	}
}

func TestChaos_SeesOverlapsWhereNobodyElects(t *testing.T) {
	stage.NeedRoot(t)
	out := t.TempDir()
	e := elections[0]
	f := newFleet(t, server, programs, e, 3, out)
	r := &runner{t: t, fleets: []*fleet{f}}
	log := verdict.Log{Locks: []verdict.Lock{e.promise()}, Began: r.now()}
	for _, one := range f.replicas {
		one.start(false)
	}
	f.stage.Await("all three run", func() bool { return r.starts() == 3 })
	for before := r.now(); ; {
		runs := f.all()
		if runs[0].Last > before { // each has been seen beside the others
			break
		}
		time.Sleep(tick)
	}
	log.Finished = r.now()
	if v := judge(t, log, out); len(v.Overlaps) == 0 || len(v.Tokens) == 0 {
		t.Errorf("three commands without an election are judged %+v", v)
	}
}
