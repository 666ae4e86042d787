package sidecar

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

func TestSidecar_EndsWhenItsPortIsTaken(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	taken, err := net.Listen("tcp", stage.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	pod := s.elector("shop-0")
	pod.Command[1] = "-http=" + taken.Addr().String()
	a := s.Start(pod.Pod)
	if status := s.AwaitExit(a); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	for _, word := range []string{"-http", "another process of the Pod has this port", "choose another"} {
		if a.Line("level=ERROR", word) == "" {
			t.Errorf("it does not say %q: %s", word, a.Log())
		}
	}
}

func TestSidecar_GoesOnWhenItsHealthPortIsTaken(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	pod := s.leaderElector("shop-0")
	for i, v := range pod.Environ {
		if strings.HasPrefix(v, "HEALTH_PORT=") {
			pod.Environ[i] = "HEALTH_PORT=" + port
		}
	}
	a := s.start(pod)
	s.awaitLeading(a)
	s.AwaitLine(a, "level=WARN", "HEALTH_PORT", "choose another")
}

func TestSidecar_ServesHealthOnAPortOfItsOwnFromTheStart(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	n := stage.NewNetwork(t) // in which 8080 is free
	proxy := s.Proxy(n)
	proxy.BlackHole() // it cannot lead
	pod := s.leaderElector("shop-0")
	setAccess(&pod, s.access(proxy))
	pod.Network = n
	for i, v := range pod.Environ {
		if strings.HasPrefix(v, "HEALTH_PORT=") || strings.HasPrefix(v, "K8S_AWAIT_ELECTION_STATUS_ENDPOINT=") {
			pod.Environ[i] = "UNUSED=1"
		}
	}
	pod.Status = "127.0.0.1:8080"
	a := s.Start(pod.Pod)
	if body := s.AwaitCode(a, "/healthz", 200); body != "ok" {
		t.Errorf("/healthz: %q", body)
	}
}

func TestSidecar_DoesNotCampaignWhenItsPathIsOfNoUse(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		variable string
		path     func(*testing.T, string) string
		words    []string
	}{
		"a file where the directory should be": {"STATUS_DIR", func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "status"), "")
			return filepath.Join(dir, "status")
		}, []string{"must be a directory"}},
		"no directory for the file": {"STATUS_FILE", func(_ *testing.T, dir string) string {
			return filepath.Join(dir, "none", "leader")
		}, []string{"emptyDir"}},
		"a leader file that cannot be removed": {"STATUS_DIR", func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "leader", "x"), "")
			return dir
		}, []string{"former container", "/leader", "remove it"}},
		"a volume that is read-only": {"STATUS_FILE", func(*testing.T, string) string { return "/proc/leader" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			pod := s.elector("shop-0")
			path := row.path(t, t.TempDir())
			pod.Environ = append(pod.Environ, "K8S_AWAIT_ELECTION_"+row.variable+"="+path)
			a := s.Start(pod.Pod)
			if status := s.AwaitExit(a); status != 78 {
				t.Errorf("exit status %d, want 78: %s", status, a.Log())
			}
			for _, word := range append(row.words, filepath.Dir(path)) {
				if a.Line("level=ERROR", word) == "" {
					t.Errorf("it does not say %q: %s", word, a.Log())
				}
			}
			if s.Lease() != nil {
				t.Error("it has campaigned")
			}
		})
	}
}

// Another user's directory.
func TestSidecar_SaysWhoMustBeAllowedToWrite(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	pod := s.elector("shop-0")
	dir := t.TempDir()
	pod.Environ = append(pod.Environ, "K8S_AWAIT_ELECTION_STATUS_DIR="+filepath.Join(dir, "status"))
	pod.NotInit, pod.User = true, &syscall.Credential{Uid: 65534, Gid: 65534}
	a := s.Start(pod.Pod)
	if status := s.AwaitExit(a); status != 78 {
		t.Errorf("exit status %d, want 78: %s", status, a.Log())
	}
	if a.Line("level=ERROR", "permission denied", "fsGroup") == "" {
		t.Errorf("it does not say what to do: %s", a.Log())
	}
	if err := os.Remove(dir); err != nil {
		t.Errorf("something was left: %v", err)
	}
}

func TestSidecar_LeadsWithoutTheRightToLabelItsPod(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.makePods("shop-0")
	a := s.start(s.elector("shop-0"))
	s.awaitLeading(a)
	s.AwaitLine(a, "level=WARN", "- {apiGroups: [''], resources: [pods], resourceNames: [shop-0], verbs: [patch]}")
	s.Grant(append(stage.Rules(), pods("patch"))...)
	// The right is found within half a minute.
	s.awaitLabel("shop-0", electorLabel, "leader")
}

func TestSidecar_LeadsWithoutThePodThatItIsToLabel(t *testing.T) {
	t.Parallel()
	for name, guessed := range map[string]bool{"named": false, "guessed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, pods("patch"))
			pod := s.elector("shop-0")
			if guessed {
				pod.Environ = []string{}
			}
			a := s.start(pod)
			s.awaitLeading(a)
			b := s.start(s.elector("shop-1")) // which proves by its line that there was time for one
			s.AwaitLine(b, "level=WARN", `pods \"shop-1\" not found`, "metadata.name")
			if guessed {
				if line := a.Line("level=WARN", "not found"); line != "" {
					t.Errorf("it says %s", line)
				}
				return
			}
			s.AwaitLine(a, "level=WARN", `pods \"shop-0\" not found`, "metadata.name")
		})
	}
}

const leaderAnnotation = "control-plane.alpha.kubernetes.io/leader"

// Somebody wrote it, so somebody may lead.
func TestSidecar_WaitsOutARecordThatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]string{"no JSON": "shop-9", "of another kind": `["shop-9"]`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"*"}})
			_, err := server.Client().CoreV1().ConfigMaps(s.Namespace).Create(t.Context(), &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: stage.LockName, Annotations: map[string]string{leaderAnnotation: record, "mine": "kept"}},
				Data:       map[string]string{"shop.conf": "kept too"},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			a := s.start(s.elector("shop-0", "-lock-type=configmaps"))
			s.AwaitLine(a, `msg="standing by"`, `holder="(unreadable record)"`)
			s.awaitLeading(a)
			s.AwaitLine(a, "msg=elected", `reason="not renewed by (unreadable record) for 3s"`)
			now, err := server.Client().CoreV1().ConfigMaps(s.Namespace).Get(t.Context(), stage.LockName, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if now.Data["shop.conf"] != "kept too" || now.Annotations["mine"] != "kept" || !strings.Contains(now.Annotations[leaderAnnotation], `"shop-0"`) {
				t.Errorf("the object is %v, %v", now.Annotations, now.Data)
			}
		})
	}
}

// An older replica wrote a lock of another type: here there is none, and both
// would lead. That can only be seen by whoever chooses the type.
func TestSidecar_SaysWhichRightItLacksForItsLock(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a := s.start(s.elector("shop-0", "-lock-type=endpoints"))
	s.AwaitLine(a, "level=WARN", "resources: [endpoints]", "resourceNames: [shop]")
	s.Await("/readyz says so", func() bool {
		code, body := a.Get("/readyz")
		return code == 503 && strings.Contains(body, "resources: [endpoints]")
	})
	if s.says(a).IsLeader {
		t.Error("it leads")
	}
}
