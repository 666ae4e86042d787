package gate

import (
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// normal are the parts of a log that differ from run to run, and what stands for
// them in a golden file.
var normal = []struct {
	part *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`time=\S+`), "time=TIME"},
	{regexp.MustCompile(`pid=\d+`), "pid=PID"},
	{regexp.MustCompile(`token=\d+`), "token=TOKEN"},
	{regexp.MustCompile(`(next|took)=\S+`), "$1=DURATION"},
	{regexp.MustCompile(`lease stage-\w+/`), "lease prod/"},
	{regexp.MustCompile(`127\.\d+\.\d+\.\d+:\d+`), "ADDRESS"},
}

// TestLog_OfAFailOverTellsTheStoryOfBothPods keeps one line for each transition,
// with its reason, as people will read it. -update rewrites the file.
func TestLog_OfAFailOverTellsTheStoryOfBothPods(t *testing.T) {
	stage.NeedRoot(t) // a gate that is not process 1 has more to say
	t.Parallel()
	s := newStage(t)
	s.LongLeases()
	a := s.Start(stage.Pod{Name: "shop-0"})
	s.AwaitLeader(a)
	b := s.Start(stage.Pod{Name: "shop-1"})
	s.AwaitStandby(b)
	a.Signal(syscall.SIGTERM)
	s.AwaitExit(a)
	s.AwaitLeader(b)
	s.AwaitLine(b, `msg="readiness changed"`)

	got := "# shop-0 leads, shop-1 stands by; shop-0 is sent TERM.\n\n# shop-0\n" + normalise(a.Log()) + "\n# shop-1\n" + normalise(b.Log())
	path := filepath.Join("testdata", "failover.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the log is not that of %s (go test -run %s -update rewrites it); it is\n%s", path, t.Name(), got)
	}
}

func normalise(log string) string {
	for _, n := range normal {
		log = n.part.ReplaceAllString(log, n.text)
	}
	return log
}
