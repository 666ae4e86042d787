package gate

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

func TestGate_LetsGoOfWhatItsTermNeededOfTheProgramWhenItStandsByAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	proxy := s.Proxy(nil)
	a, b := leaderAndStandby(s, stage.Pod{Name: "a", Proxy: proxy, Env: map[string]string{"ON_LOST": "standby"}})
	proxy.BlackHole()
	s.AwaitLine(a, `msg="command ended"`)
	after := programPages(t, a.PID())
	proxy.Pass()
	s.AwaitLine(a, `msg="next in line"`, "holder=b")

	s.Await("the gate lets go of its program's pages", func() bool { return programPages(t, a.PID()) < after*3/4 })

	b.Signal(syscall.SIGTERM)
	s.Await("the gate leads again", func() bool { return strings.Count(a.Output(), "a: started") == 2 })
}

// programPages is how many kilobytes of files a process has mapped: its program,
// where that is one of Go's.
func programPages(t *testing.T, pid int) (kilobytes int) {
	t.Helper()
	_, after, _ := strings.Cut(procfile(pid, "status"), "RssFile:")
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes
}
