package sidecar

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/claims"
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// scene is a stage on which sidecars tell who leads. It ends with the proof that
// never two of them claimed to, by HTTP or by file.
type scene struct {
	*stage.Stage
	t       *testing.T
	answers *claims.Answers
	files   *claims.Files
}

func pods(verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: verbs}
}

// newScene makes a scene whose user has the rights to the lock, and those given
// besides.
func newScene(t *testing.T, besides ...rbacv1.PolicyRule) *scene {
	t.Helper()
	stage.NeedRoot(t) // the identity is the host's name
	s := &scene{Stage: stage.New(t, server, programs, append(stage.Rules(), besides...)...), t: t, answers: claims.NewAnswers()}
	t.Cleanup(s.answers.Close)
	var err error
	if s.files, err = claims.NewFiles(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.files.Close)
	t.Cleanup(func() { // before the stage ends and kills
		for _, o := range record.Overlaps(s.answers.Runs()) {
			t.Errorf("by HTTP: %s", o)
		}
		for _, o := range record.Overlaps(s.fileRuns()) {
			t.Errorf("by file: %s", o)
		}
	})
	return s
}

func (s *scene) fileRuns() []record.Run {
	runs, err := s.files.Runs()
	if err != nil {
		s.t.Error(err)
	}
	return runs
}

// replica is what a sidecar is started from.
type replica struct {
	stage.Pod
	// file is its leader file, if it has one.
	file string
}

// access is the path of a kubeconfig, through a proxy if one is given.
func (s *scene) access(proxy *faultproxy.Proxy) string {
	config := rest.CopyConfig(s.Config)
	if proxy != nil {
		config.Host = "https://" + proxy.Addr()
	}
	return s.Kubeconfig("", config)
}

// elector is a Pod in k8s-elector's words: its arguments, in the form in which
// that tool's example has them.
func (s *scene) elector(name string, more ...string) replica {
	address := stage.Address()
	return replica{Pod: stage.Pod{
		Name: name, Status: address,
		Command: append([]string{
			"-election=" + stage.LockName, "-http=" + address, "-ttl=3s", "-namespace=" + s.Namespace, "-kubeconfig=" + s.access(nil),
		}, more...),
		Environ: []string{"ELECTOR_POD_NAME=" + name},
	}}
}

// leaderElector is a Pod in leader-elector's words: its environment. Ours may ask
// it over HTTP besides; leases are short.
func (s *scene) leaderElector(name string, more ...string) replica {
	address, dir := stage.Address(), filepath.Join(s.t.TempDir(), "leader_status")
	_, port, _ := strings.Cut(stage.Address(), ":")
	return replica{
		file: filepath.Join(dir, "leader"),
		Pod: stage.Pod{
			Name: name, Status: address,
			Command: []string{},
			Environ: append([]string{
				"LEASE_NAME=" + stage.LockName, "NAMESPACE=" + s.Namespace, "KUBECONFIG=" + s.access(nil),
				"STATUS_DIR=" + dir, "HEALTH_PORT=" + port,
				"K8S_AWAIT_ELECTION_STATUS_ENDPOINT=" + address,
				"K8S_AWAIT_ELECTION_LEASE_DURATION=3", "K8S_AWAIT_ELECTION_RENEW_DEADLINE=2", "K8S_AWAIT_ELECTION_RETRY_PERIOD=500ms",
			}, more...),
		},
	}
}

// start starts a sidecar and watches what it claims.
func (s *scene) start(r replica) *stage.Container {
	s.t.Helper()
	if r.file != "" {
		if err := os.MkdirAll(filepath.Dir(r.file), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := s.files.Watch(r.Name, r.file); err != nil {
			s.t.Fatal(err)
		}
	}
	c := s.Start(r.Pod)
	s.answers.Ask(r.Name, c.Status)
	return c
}

// leaderAndStandby starts the one, which leads, and then the other.
func (s *scene) leaderAndStandby(leader, standby replica) (a, b *stage.Container) {
	s.t.Helper()
	a = s.start(leader)
	s.awaitLeading(a)
	b = s.start(standby)
	s.AwaitStandby(b)
	return a, b
}

// said is the object of `/`, as k8s-elector has it and ours besides.
type said struct {
	IsLeader  bool    `json:"is_leader"`
	Leader    string  `json:"leader"`
	Node      string  `json:"node"`
	Timestamp string  `json:"timestamp"`
	Token     string  `json:"fencing_token"`
	Expires   float64 `json:"lease_expires_in_seconds"`
}

func (s *scene) says(c *stage.Container) (o said) {
	if code, body := c.Get("/"); code == 200 {
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			s.t.Errorf("%s answers %q: %v", c.Pod.Name, body, err)
		}
	}
	return o
}

func (s *scene) awaitLeading(c *stage.Container) {
	s.t.Helper()
	s.Await(c.Pod.Name+" says that it leads", func() bool { return s.says(c).IsLeader })
}

func (s *scene) awaitFollowing(c *stage.Container, leader string) {
	s.t.Helper()
	s.Await(c.Pod.Name+" says that "+leader+" leads", func() bool {
		o := s.says(c)
		return !o.IsLeader && o.Leader == leader
	})
}

// makePods makes Pods that a sidecar may label.
func (s *scene) makePods(names ...string) {
	s.t.Helper()
	for _, name := range names {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "shop"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop"}}},
		}
		if _, err := server.Client().CoreV1().Pods(s.Namespace).Create(s.t.Context(), pod, metav1.CreateOptions{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *scene) label(pod, key string) string {
	s.t.Helper()
	got, err := server.Client().CoreV1().Pods(s.Namespace).Get(s.t.Context(), pod, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return got.Labels[key]
}

func (s *scene) awaitLabel(pod, key, value string) {
	s.t.Helper()
	s.Await(pod+" is labelled "+value, func() bool { return s.label(pod, key) == value })
}

// content is what is in a file; empty: there is none.
func content(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// write makes a file, and its folder.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// takeLease writes another holder into the lease, as somebody does who does not
// ask.
func (s *scene) takeLease(holder string) {
	s.EditLease(func(l *coordinationv1.Lease) {
		transitions := *l.Spec.LeaseTransitions + 1
		l.Spec.HolderIdentity, l.Spec.LeaseTransitions = &holder, &transitions
	})
}
