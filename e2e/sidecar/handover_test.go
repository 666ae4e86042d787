package sidecar

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
)

// atRelease is what could be seen when the request that releases the lease
// arrived.
type atRelease struct {
	mu    sync.Mutex
	seen  bool
	file  string
	label string
}

// watchRelease looks at the moment of the release through a proxy of its own.
func watchRelease(t *testing.T, s *scene, pod, file string) (*atRelease, *faultproxy.Answers) {
	t.Helper()
	answers, err := faultproxy.Intercept(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(answers.Close)
	at := &atRelease{}
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/leases/") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var lease struct {
			Spec struct {
				Holder *string `json:"holderIdentity"`
			} `json:"spec"`
		}
		if err := json.Unmarshal(body, &lease); err != nil {
			t.Error(err)
		}
		if lease.Spec.Holder == nil || *lease.Spec.Holder != "" || s.Lease() == nil {
			return nil
		}
		at.mu.Lock()
		defer at.mu.Unlock()
		at.seen, at.file, at.label = true, content(file), s.label(pod, roleLabel)
		return nil
	})
	return at, answers
}

// An heir is known, which takes the lease the moment it is released.
func TestSidecar_HasTakenFileAndLabelBackWhenItReleases(t *testing.T) {
	t.Parallel()
	s := newScene(t, pods("patch"))
	s.makePods("shop-0", "shop-1")
	pod := s.leaderElector("shop-0", "LABEL_POD_ROLE=true", "POD_NAME=shop-0")
	at, answers := watchRelease(t, s, "shop-0", pod.file)
	setAccess(&pod, s.Kubeconfig("", answers.Config()))
	a, b := s.leaderAndStandby(pod, s.leaderElector("shop-1", "LABEL_POD_ROLE=true", "POD_NAME=shop-1"))
	s.awaitLabel("shop-0", roleLabel, "leader")

	a.Signal(syscall.SIGTERM)
	s.AwaitExit(a)
	s.awaitLeading(b)
	at.mu.Lock()
	defer at.mu.Unlock()
	if !at.seen || at.file != "" || at.label != "follower" {
		t.Errorf("when the lease was released (seen: %v) the file was %q and the label %q", at.seen, at.file, at.label)
	}
}

func TestSidecar_TellsReadersOfEventsEachChange(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.leaderAndStandby(s.elector("shop-0"), s.elector("shop-1"))
	answer, err := http.Get("http://" + b.Status + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	next := func() (o said) {
		t.Helper()
		for lines.Scan() {
			if text, found := strings.CutPrefix(lines.Text(), "data: "); found {
				if err := json.Unmarshal([]byte(text), &o); err != nil {
					t.Fatal(err)
				}
				return o
			}
		}
		t.Fatalf("the stream has ended: %v", lines.Err())
		return o
	}
	if o := next(); o.IsLeader || o.Leader != "shop-0" {
		t.Errorf("at first: %+v", o)
	}
	// Longer than any limit of the server for a request lasts a stream.
	for range 12 {
		before := s.Lease().Spec.RenewTime
		s.Await("a renewal", func() bool { return s.Lease().Spec.RenewTime.After(before.Time) })
	}
	a.Signal(syscall.SIGTERM)
	o := next()
	for o.Leader == "" { // released, and not yet taken
		o = next()
	}
	if !o.IsLeader || o.Leader != "shop-1" || o.Token == "" || o.Expires <= 0 {
		t.Errorf("elected: %+v", o)
	}
	if o = next(); !o.IsLeader || o.Expires <= 0 {
		t.Errorf("renewed: %+v", o)
	}
	b.Signal(syscall.SIGTERM)
	for o.IsLeader {
		o = next()
	}
}

func TestSidecar_LeadsAgainAtOnceWhenItsContainerIsRestartedInThePod(t *testing.T) {
	for name, shared := range map[string]bool{"as process 1": false, "in the Pod's own PID namespace": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			pod := s.leaderElector("shop-0",
				"K8S_AWAIT_ELECTION_LEASE_DURATION=600", "K8S_AWAIT_ELECTION_RENEW_DEADLINE=400") // nobody leads because one has expired
			pod.NotInit = shared
			if shared {
				pod.Environ = append(pod.Environ, "K8S_AWAIT_ELECTION_IDENTITY=shop-0")
			}
			first := s.start(pod)
			s.awaitLeading(first)
			s.Await("the leader file", func() bool { return content(pod.file) == "shop-0" })
			first.Signal(syscall.SIGKILL)
			s.AwaitExit(first)
			if content(pod.file) == "" {
				t.Fatal("no leader file is left: this test tests nothing")
			}
			again := s.Start(pod.Pod)
			s.awaitLeading(again)
			s.AwaitLine(again, "msg=elected", `reason="the former container of this pod held it"`)
		})
	}
}

// A killed container leaves its file; the next one does not believe it.
func TestSidecar_RemovesAFileThatIsLeftBeforeItCampaigns(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	leader := s.start(s.elector("shop-9"))
	s.awaitLeading(leader)
	pod := s.leaderElector("shop-0")
	write(t, pod.file, "shop-0")
	a := s.Start(pod.Pod) // not watched: the file is there
	s.AwaitLine(a, `msg="standing by"`, "holder=shop-9")
	if content(pod.file) != "" {
		t.Error("the leader file is left while another one leads")
	}
}

func TestSidecar_PutsALabelRightThatSomebodyEdits(t *testing.T) {
	t.Parallel()
	s := newScene(t, pods("get", "watch", "patch"))
	s.makePods("shop-0", "shop-1")
	s.leaderAndStandby(s.elector("shop-0"), s.elector("shop-1"))
	s.awaitLabel("shop-0", electorLabel, "leader")
	s.awaitLabel("shop-1", electorLabel, "standby")
	for pod, right := range map[string]string{"shop-0": "leader", "shop-1": "standby"} {
		edited, err := server.Client().CoreV1().Pods(s.Namespace).Patch(t.Context(), pod, types.MergePatchType,
			[]byte(`{"metadata":{"labels":{"`+electorLabel+`":"edited"}}}`), metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.awaitChange(edited)
		s.awaitLabel(pod, electorLabel, right)
	}
}

// awaitChange waits until a Pod is not as it was.
func (s *scene) awaitChange(pod *corev1.Pod) {
	s.t.Helper()
	s.Await(pod.Name+" is changed", func() bool {
		now, err := server.Client().CoreV1().Pods(s.Namespace).Get(s.t.Context(), pod.Name, metav1.GetOptions{})
		return err == nil && now.ResourceVersion != pod.ResourceVersion
	})
}

// A sidecar that lost its lease stands by again, and its container is not
// restarted for it.
func TestSidecar_StandsByAgainWhenSomebodyTookItsLease(t *testing.T) {
	t.Parallel()
	s := newScene(t, pods("patch"))
	s.makePods("shop-0")
	pod := s.leaderElector("shop-0", "LABEL_POD_ROLE=true", "POD_NAME=shop-0")
	a := s.start(pod)
	s.awaitLeading(a)
	s.awaitLabel("shop-0", roleLabel, "leader")
	s.takeLease("somebody")
	s.awaitLabel("shop-0", roleLabel, "follower")
	s.awaitFollowing(a, "somebody")
	if content(pod.file) != "" {
		t.Error("the leader file is left")
	}
	s.awaitLeading(a) // as nobody renews for somebody
	s.awaitLabel("shop-0", roleLabel, "leader")
	a.Signal(syscall.SIGTERM)
	if status := s.AwaitExit(a); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestSidecar_EndsWithoutFileAndLabelWhenItsLeaseIsLostAndItIsToldTo(t *testing.T) {
	t.Parallel()
	s := newScene(t, pods("patch"))
	s.makePods("shop-0")
	pod := s.leaderElector("shop-0", "LABEL_POD_ROLE=true", "POD_NAME=shop-0", "K8S_AWAIT_ELECTION_ON_LOST=exit")
	a := s.start(pod)
	s.awaitLeading(a)
	s.Await("the leader file", func() bool { return content(pod.file) == "shop-0" })
	s.awaitLabel("shop-0", roleLabel, "leader")
	s.takeLease("somebody")
	if status := s.AwaitExit(a); status != 75 {
		t.Errorf("exit status %d, want 75", status)
	}
	if got := content(pod.file); got != "" {
		t.Errorf("the leader file is left, with %q", got)
	}
	if got := s.label("shop-0", roleLabel); got != "follower" {
		t.Errorf("the Pod is left with the label %q", got)
	}
	if holder := *s.Lease().Spec.HolderIdentity; holder != "somebody" {
		t.Errorf("the lease is left to %q", holder)
	}
}
