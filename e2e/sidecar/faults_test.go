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
	a, _ := s.leaderAndStandby(pod, s.leaderElector("shop-1"))
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
	a, b := s.leaderAndStandby(s.elector("shop-0"), s.elector("shop-1"))
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
	a, b := s.leaderAndStandby(pod, s.leaderElector("shop-1"))
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
	a, b := s.leaderAndStandby(s.elector("shop-0"), s.elector("shop-1"))
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
	a, b := s.leaderAndStandby(pod, s.leaderElector("shop-1"))
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
	a, b := s.leaderAndStandby(pod, s.elector("shop-1"))
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

// It is elected, and its file system has failed since its start.
func TestSidecar_LeavesTheLeaseToAnotherWhileItCannotWriteItsFile(t *testing.T) {
	t.Parallel()
	s := newScene(t, pods("patch"))
	s.makePods("shop-1")
	pod := s.leaderElector("shop-1", "LABEL_POD_ROLE=true", "POD_NAME=shop-1")
	a, b := s.leaderAndStandby(s.elector("shop-0"), pod)
	s.awaitLabel("shop-1", roleLabel, "follower")
	inTheWay := filepath.Join(filepath.Dir(pod.file), ".leader.new")
	write(t, filepath.Join(inTheWay, "x"), "")
	a.Signal(syscall.SIGTERM)
	s.AwaitLine(b, "level=ERROR", `msg="the lease is given up"`, inTheWay, "remove it", "next_try_in=")
	c := s.start(s.elector("shop-2"))
	s.awaitLeading(c)
	s.awaitFollowing(b, "shop-2")
	if got := s.label("shop-1", roleLabel); got != "follower" {
		t.Errorf("the Pod that could not lead is labelled %q", got)
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	c.Signal(syscall.SIGTERM)
	s.awaitLeading(b)
	s.Await("the leader file", func() bool { return content(pod.file) == "shop-1" })
}

func setAccess(r *replica, kubeconfig string) {
	for i, v := range r.Environ {
		if strings.HasPrefix(v, "KUBECONFIG=") {
			r.Environ[i] = "KUBECONFIG=" + kubeconfig
		}
	}
}
