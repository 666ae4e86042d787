package sidecar

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

const (
	electorLabel = "k8s-elector/status"
	roleLabel    = "role"
)

// The arguments are those of k8s-elector's manifests; nothing of ours is set.
func TestElector_LeadsOnEachOfItsLocks(t *testing.T) {
	for lockType, rule := range map[string]rbacv1.PolicyRule{
		"leases":     {APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
		"configmaps": {APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"*"}},
		"endpoints":  {APIGroups: []string{""}, Resources: []string{"endpoints"}, Verbs: []string{"*"}},
	} {
		t.Run(lockType, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, rule, pods("get", "patch"))
			s.makePods("shop-0", "shop-1")
			a := s.start(s.elector("shop-0", "-lock-type="+lockType))
			s.awaitLeading(a)
			s.awaitLabel("shop-0", electorLabel, "leader")
			b := s.start(s.elector("shop-1", "-lock-type="+lockType))
			s.awaitFollowing(b, "shop-0")
			s.awaitLabel("shop-1", electorLabel, "standby")

			a.Signal(syscall.SIGTERM)
			if status := s.AwaitExit(a); status != 0 {
				t.Errorf("exit status %d after TERM, want 0", status)
			}
			s.awaitLeading(b)
			s.awaitLabel("shop-1", electorLabel, "leader")
			s.awaitLabel("shop-0", electorLabel, "standby")
		})
	}
}

func TestElector_AnswersWithTheFieldsOfThatTool(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a := s.start(s.elector("shop-0", "-v=2", "-logtostderr=true"))
	s.awaitLeading(a)
	for _, path := range []string{"/", "/any/path"} {
		code, body := a.Get(path)
		var o map[string]any
		if err := json.Unmarshal([]byte(body), &o); err != nil || code != 200 {
			t.Fatalf("%s: %d %q: %v", path, code, body, err)
		}
		if o["is_leader"] != true || o["leader"] != "shop-0" || o["node"] != "shop-0" {
			t.Errorf("%s: %v", path, o)
		}
		if stamp, _ := o["timestamp"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(stamp) {
			t.Errorf("%s: timestamp %q", path, stamp)
		}
	}
}

// The environment is that of leader-elector's README, but for short leases.
func TestLeaderElector_TellsItsRoleByFilesLabelAndHealth(t *testing.T) {
	t.Parallel()
	s := newScene(t, pods("patch"))
	s.makePods("shop-0", "shop-1")
	pod := s.leaderElector("shop-0", "LABEL_POD_ROLE=true", "POD_NAME=shop-0")
	a := s.start(pod)
	s.awaitLeading(a)
	s.Await("the leader file", func() bool { return content(pod.file) == "shop-0" })
	s.awaitLabel("shop-0", roleLabel, "leader")
	other := s.leaderElector("shop-1", "LABEL_POD_ROLE=true", "POD_NAME=shop-1")
	b := s.start(other)
	s.awaitFollowing(b, "shop-0")
	follower := filepath.Join(filepath.Dir(other.file), "follower")
	if content(follower) != "shop-1" || content(other.file) != "" {
		t.Errorf("the follower's files: %q, %q", content(follower), content(other.file))
	}
	s.awaitLabel("shop-1", roleLabel, "follower")
	if code, body := b.Get("/healthz"); code != 200 || body != "ok" {
		t.Errorf("/healthz: %d %q", code, body)
	}

	a.Signal(syscall.SIGTERM)
	if status := s.AwaitExit(a); status != 0 {
		t.Errorf("exit status %d after TERM, want 0", status)
	}
	s.Await("the other's leader file", func() bool { return content(other.file) == "shop-1" })
	if content(follower) != "" || content(filepath.Join(filepath.Dir(pod.file), "follower")) != "shop-0" {
		t.Error("the follower files are not those of the roles")
	}
	s.awaitLabel("shop-1", roleLabel, "leader")
	s.awaitLabel("shop-0", roleLabel, "follower")
}

// In our own words: a plain file, with the lease's expiry and the token.
func TestSidecar_WritesExpiryAndTokenOnRequest(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	path := filepath.Join(t.TempDir(), "leader")
	r := replica{file: path, Pod: stage.Pod{
		Name: "shop-0", Command: []string{},
		Env: map[string]string{"ENABLED": "", "STATUS_FILE": path, "STATUS_FILE_EXPIRY": "true"},
	}}
	a := s.start(r)
	s.awaitLeading(a)
	var first []string
	s.Await("the file", func() bool {
		first = strings.Split(content(path), "\n")
		return len(first) == 4
	})
	if first[0] != "shop-0" || first[2] != s.says(a).Token || first[3] != "" {
		t.Errorf("the file says %q", first)
	}
	s.Await("a later expiry", func() bool {
		now := strings.Split(content(path), "\n")
		return len(now) == 4 && now[1] > first[1] && now[2] == first[2]
	})
	a.Signal(syscall.SIGTERM)
	s.AwaitExit(a)
	if content(path) != "" {
		t.Error("the file is left")
	}
}
