package chart

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

// modes are the renderings whose Roles differ.
var modes = map[string][]string{
	"no Service":                  {},
	"slices":                      {"app.ports.redis=6379"},
	"Endpoints":                   {"app.ports.redis=6379", "gate.extraEnv.K8S_AWAIT_ELECTION_SERVICE_PUBLISH=endpoints"},
	"slices and Endpoints":        {"app.ports.redis=6379", "gate.extraEnv.K8S_AWAIT_ELECTION_SERVICE_PUBLISH=both"},
	"a Pod label":                 {"app.ports.redis=6379", "service.mode=podLabel"},
	"slices and a Pod label":      {"app.ports.redis=6379", "election.podLabel=role"},
	"a sidecar":                   {"app.ports.redis=6379", "mode=sidecar"},
	"a sidecar and its Pod label": {"mode=sidecar", "election.podLabel=role=leader/follower"},
}

func modeOf(t *testing.T, mode string) *rendering {
	t.Helper()
	// The name of the release, and so of the Lease, is that of the stage's.
	return render(t, input{release: stage.LockName, set: slices.Concat(twoValues, modes[mode])})
}

// unseen are rights that no healthy Kubernetes of today makes a gate use, and why
// they are granted all the same.
var unseen = map[string]string{
	"create endpointslices/restricted": "OpenShift asks for it where an address is a Pod's; Kubernetes has no such resource",
	"create endpoints/restricted":      "likewise",
	"get leases":                       "where the watch breaks; e2e/gate breaks it",
	"list leases":                      "where the API server cannot stream a first state; e2e/gate has one that cannot",
	"get endpointslices":               "where the watch breaks",
	"list endpointslices":              "where the API server cannot stream a first state",
	"list endpoints":                   "where the API server cannot stream a first state",
}

// play is a stage with the objects that the gates of a rendering meet.
func play(t *testing.T, r *rendering, former bool, rules ...rbacv1.PolicyRule) *stage.Stage {
	t.Helper()
	s := stage.New(t, server, programs, rules...)
	s.LongLeases()
	client := server.Client().CoreV1()
	if service, _ := servicesOf(t, r); service != nil {
		service = service.DeepCopy()
		service.Namespace = ""
		if _, err := client.Services(s.Namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if former {
			if _, err := client.Endpoints(s.Namespace).Create(t.Context(),
				&corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: service.Name}}, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// start starts a gate as the kubelet would, in a Pod that exists.
func start(t *testing.T, s *stage.Stage, r *rendering, name string) *stage.Container {
	t.Helper()
	w := workloadOf(t, r)
	pod := w.pod(s.Namespace)
	pod.Name = name
	if _, err := server.Client().CoreV1().Pods(s.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for key, value := range environment(w.elected(t), podFields(s.Namespace, name)) {
		if key, ours := strings.CutPrefix(key, config.Prefix+"_"); ours {
			variables[key] = value
		}
	}
	delete(variables, "STATUS_ENDPOINT") // the stage has one for each
	for _, long := range []string{"LEASE_DURATION", "RENEW_DEADLINE", "RETRY_PERIOD"} {
		delete(variables, long) // nothing is to happen because a lease has run out
	}
	p := stage.Pod{Name: name, Env: variables}
	if !w.isGated() {
		variables["ENABLED"], p.Command = "", []string{}
	}
	return s.Start(p)
}

// awaitLeader waits until the gate or sidecar leads, and clients are led to it.
func awaitLeader(t *testing.T, s *stage.Stage, r *rendering, c *stage.Container) {
	t.Helper()
	s.AwaitCode(c, "/leader", http.StatusOK)
	w := workloadOf(t, r)
	variables := environment(w.elected(t), nil)
	if variables[config.Prefix+"_SERVICE_NAME"] != "" {
		s.AwaitLine(c, "traffic leads here")
	}
	if text := variables[config.Prefix+"_POD_LABEL"]; text != "" {
		key, leader := leaderLabel(text)
		s.AwaitLine(c, "the Pod is labelled", key+"="+leader+")")
	}
}

func requests(t *testing.T, s *stage.Stage) []apiserver.Request {
	t.Helper()
	found, err := server.Requests(s.User)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// isRefused tells whether a gate did what it may not. Looking at everybody's slices
// is a courtesy of those who may.
func isRefused(q apiserver.Request) bool {
	courtesy := q.Verb == "list" && q.ObjectRef.Resource == "endpointslices" && q.ObjectRef.Name == ""
	return q.ResponseStatus.Code == http.StatusForbidden && !courtesy
}

// TestRole_IsEnoughForAllThatAGateDoes plays a life: one leads, one stands by and
// leaves, the last one leaves and cleans up, the next one leads.
func TestRole_IsEnoughForAllThatAGateDoes(t *testing.T) {
	t.Parallel()
	for mode := range modes {
		for _, former := range []bool{false, true} {
			if former && mode != "slices" {
				continue
			}
			t.Run(fmt.Sprintf("%s, Endpoints there first %t", mode, former), func(t *testing.T) {
				t.Parallel()
				r := modeOf(t, mode)
				s := play(t, r, former, only[*rbacv1.Role](t, r).Rules...)
				a := start(t, s, r, stage.LockName+"-0")
				awaitLeader(t, s, r, a)
				b := start(t, s, r, stage.LockName+"-1")
				s.AwaitStandby(b)
				b.Signal(syscall.SIGTERM)
				s.AwaitExit(b)
				a.Signal(syscall.SIGTERM)
				s.AwaitExit(a)
				c := start(t, s, r, stage.LockName+"-2")
				awaitLeader(t, s, r, c)
				s.Await("an Event is written", func() bool {
					return slices.ContainsFunc(requests(t, s), func(q apiserver.Request) bool {
						return q.ObjectRef.Resource == "events" && q.ResponseStatus.Code == http.StatusCreated
					})
				})
				c.Signal(syscall.SIGTERM)
				s.AwaitExit(c)
				for _, q := range requests(t, s) {
					if isRefused(q) {
						t.Errorf("%s %s is refused", q.Verb, q.RequestURI)
					}
				}
			})
		}
	}
}

// TestRole_HasNoRightTooMany takes one right after the other away, and something
// that a gate does is refused.
func TestRole_HasNoRightTooMany(t *testing.T) {
	t.Parallel()
	for mode := range modes {
		r := modeOf(t, mode)
		rules := only[*rbacv1.Role](t, r).Rules
		for i, rule := range rules {
			if len(rule.Resources) != 1 {
				t.Errorf("the test takes rules of one resource, not %v", rule.Resources)
			}
			resource := rule.Resources[0]
			if mode == "Endpoints" && strings.HasPrefix(resource, "endpointslices") {
				continue // for the Pods of before, in an upgrade from slices
			}
			for _, verb := range rule.Verbs {
				if unseen[verb+" "+resource] != "" {
					continue
				}
				t.Run(fmt.Sprintf("%s without %s %s", mode, verb, resource), func(t *testing.T) {
					t.Parallel()
					// Endpoints are written where an older tool has left some behind.
					s := play(t, r, resource == "endpoints" && verb != "create", without(rules, i, verb)...)
					start(t, s, r, stage.LockName+"-0")
					s.Await("a request for "+resource+" is refused", func() bool {
						return slices.ContainsFunc(requests(t, s), func(q apiserver.Request) bool {
							return q.ObjectRef.Resource == resource && isRefused(q)
						})
					})
				})
			}
		}
	}
}

// without are the rules without one verb of one of them.
func without(rules []rbacv1.PolicyRule, i int, verb string) []rbacv1.PolicyRule {
	fewer := slices.Clone(rules)
	fewer[i].Verbs = slices.DeleteFunc(slices.Clone(fewer[i].Verbs), func(v string) bool { return v == verb })
	if len(fewer[i].Verbs) == 0 {
		return slices.Delete(fewer, i, i+1)
	}
	return fewer
}
