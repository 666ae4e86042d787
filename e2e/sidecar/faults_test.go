package sidecar

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Each ends with the proof that never two claimed to lead (newScene).

func TestSidecar_IsFollowedOnlyWhenItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	pod := s.leaderElector("shop-0")
	a := s.start(pod)
	s.awaitLeading(a)
	b := s.start(s.leaderElector("shop-1"))
	s.AwaitStandby(b)
	a.Signal(syscall.SIGKILL)
	s.AwaitExit(a)
	// What a killed process leaves is removed by its successor in the Pod, which
	// the kubelet starts well before the lease is over.
	again := s.start(pod)
	s.awaitLeading(again)
}

func TestSidecar_IsFollowedWhenItsNodeIsGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a := s.start(s.elector("shop-0"))
	s.awaitLeading(a)
	b := s.start(s.elector("shop-1"))
	s.AwaitStandby(b)
	a.Signal(syscall.SIGKILL)
	s.awaitLeading(b)
	s.AwaitLine(b, "msg=elected", `reason="not renewed by shop-0 for 3s"`)
}

func TestSidecar_TakesItsClaimsBackBeforeAnotherLeadsWhenItIsCutOff(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	proxy := s.Proxy(nil)
	pod := s.leaderElector("shop-0")
	setAccess(&pod, s.access(proxy))
	a := s.start(pod)
	s.awaitLeading(a)
	b := s.start(s.leaderElector("shop-1"))
	s.AwaitStandby(b)
	proxy.BlackHole()
	s.awaitLeading(b)
	if content(pod.file) != "" {
		t.Error("the leader file is left")
	}
	proxy.Pass()
	s.awaitFollowing(a, "shop-1")
	b.Signal(syscall.SIGTERM)
	s.awaitLeading(a)
}

// The one exception for files: nobody is there to remove it. HTTP has none.
func TestSidecar_ThatIsStoppedClaimsNothingOverHTTP(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a := s.start(s.elector("shop-0"))
	s.awaitLeading(a)
	b := s.start(s.elector("shop-1"))
	s.AwaitStandby(b)
	a.Signal(syscall.SIGSTOP)
	s.awaitLeading(b)
	a.Signal(syscall.SIGCONT)
	s.awaitFollowing(a, "shop-1")
}

func TestSidecar_ThatWasStoppedRemovesItsFileWhenItGoesOn(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	pod := s.leaderElector("shop-0")
	file := pod.file
	pod.file = "" // not judged: see above
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	a := s.start(pod)
	s.awaitLeading(a)
	b := s.start(s.leaderElector("shop-1"))
	s.AwaitStandby(b)
	a.Signal(syscall.SIGSTOP)
	s.awaitLeading(b)
	if content(file) == "" {
		t.Fatal("the file is gone: what this test shows is not so")
	}
	a.Signal(syscall.SIGCONT)
	s.Await("the file is gone", func() bool { return content(file) == "" })
	s.awaitFollowing(a, "shop-1")
}

// While a leader file stays, nobody is let in before the lease is over.
func TestSidecar_EndsWithoutReleasingWhenItsFileCannotBeRemoved(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	pod := s.leaderElector("shop-0")
	a := s.start(pod)
	s.awaitLeading(a)
	b := s.start(s.elector("shop-1"))
	s.AwaitStandby(b)
	folder := filepath.Dir(pod.file)
	s.Await("a directory in the place of the file", func() bool {
		_ = os.Remove(pod.file)
		return os.Mkdir(pod.file, 0o755) == nil
	})
	a.Signal(syscall.SIGTERM)
	if status := s.AwaitExit(a); status != 75 {
		t.Errorf("exit status %d, want 75", status)
	}
	if a.Line("msg=released") != "" {
		t.Error("it has released the lease")
	}
	for _, word := range []string{folder, "is a directory", "remove it"} {
		if a.Line("level=ERROR", word) == "" {
			t.Errorf("it does not say %q: %s", word, a.Log())
		}
	}
	s.awaitLeading(b)
	s.AwaitLine(b, "msg=elected", `reason="not renewed by shop-0 for 3s"`)
}

func setAccess(r *replica, kubeconfig string) {
	for i, v := range r.Environ {
		if strings.HasPrefix(v, "KUBECONFIG=") {
			r.Environ[i] = "KUBECONFIG=" + kubeconfig
		}
	}
}
