package apiserver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// TestMain lets the test binary play the caller that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("APISERVER_TEST_CALLER") != "" {
		s, err := Start(context.Background(), Options{})
		if err != nil {
			panic(err)
		}
		apiserver, err := s.APIServer.PID()
		if err != nil {
			panic(err)
		}
		etcd, err := s.Etcd.PID()
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString(s.dir + " " + strconv.Itoa(apiserver) + " " + strconv.Itoa(etcd) + "\n")
		select {}
	}
	os.Exit(m.Run())
}

func TestServer_ServesItsUsersThroughPauseKillAndRestart(t *testing.T) {
	ctx := t.Context()
	s, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	ns, err := s.Namespace(ctx, "harness")
	if err != nil {
		t.Fatal(err)
	}
	path, err := s.Kubeconfig(ctx, ns, "alice", rbacv1.PolicyRule{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create"},
	})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	alice := kubernetes.NewForConfigOrDie(config).CoordinationV1().Leases(ns)
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "l"}}
	if _, err := alice.Create(ctx, lease, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("alice lists leases without the right to: %v", err)
	}

	if err := s.APIServer.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := alice.Get(short, "l", metav1.GetOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused API server answered: %v", err)
	}
	if err := s.APIServer.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Get(ctx, "l", metav1.GetOptions{}); err != nil {
		t.Errorf("after the pause: %v", err)
	}

	if err := s.APIServer.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Get(ctx, "l", metav1.GetOptions{}); err == nil {
		t.Error("a killed API server answered")
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Get(ctx, "l", metav1.GetOptions{}); err != nil {
		t.Errorf("after the restart: %v", err)
	}

	requests, err := s.Requests("alice")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, r := range requests {
		if r.Stage == "ResponseComplete" && r.ObjectRef.Resource == "leases" {
			seen = append(seen, r.Verb+strconv.Itoa(r.ResponseStatus.Code))
		}
	}
	if got := strings.Join(seen, " "); !strings.HasPrefix(got, "create201 list403 ") || !strings.HasSuffix(got, " get200") {
		t.Errorf("audit log of alice: %s", got)
	}
}

func TestServer_EndsAndLeavesNoFilesWhenItsCallerIsKilled(t *testing.T) {
	caller := exec.CommandContext(t.Context(), os.Args[0])
	caller.Env = append(os.Environ(), "APISERVER_TEST_CALLER=1")
	caller.Stderr = os.Stderr
	out, err := caller.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(line[:n]))
	if len(fields) != 3 {
		t.Fatalf("the caller said %q", line[:n])
	}
	t.Cleanup(func() { _ = os.RemoveAll(fields[0]) })
	if err := caller.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = caller.Wait()
	for _, field := range fields[1:] {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		for runs(pid) {
			if t.Context().Err() != nil {
				t.Fatalf("process %d outlives its caller", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for {
		if _, err := os.Stat(fields[0]); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("its files outlive their caller")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// runs tells whether the process is there and no zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil || syscall.Kill(pid, 0) != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func TestAssets_SayHowToGetThemWhereTheyAreMissing(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	_, err := Start(t.Context(), Options{})
	if err == nil || !strings.Contains(err.Error(), "run make test (it builds them)") {
		t.Errorf("got %v", err)
	}
}
