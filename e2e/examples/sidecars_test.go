package examples

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// eachSidecar runs the sidecars of some applications: two Pods, of which the first
// one leads. The rights of the example are all that they have.
func eachSidecar(t *testing.T, apps []string, test func(t *testing.T, namespace string, all []object, a, b *pod)) {
	t.Helper()
	of := slices.DeleteFunc(slices.Clone(sidecars), func(e example) bool { return !slices.Contains(apps, e.app) })
	each(t, of, func(t *testing.T, e example) {
		namespace, all := stageOf(t, e)
		claims := t.TempDir()
		a := startPod(t, namespace, all, 0, claims)
		a.awaitLine("leading")
		b := startPod(t, namespace, all, 1, claims)
		b.awaitLine("next in line")

		test(t, namespace, all, a, b)

		if status := b.end(); status != 0 {
			t.Errorf("the second leader ended with status %d", status)
		}
		for _, p := range []*pod{a, b} {
			if strings.Contains(p.log(), "403 Forbidden") {
				t.Errorf("%s: the rights of the example are not enough", p.name)
			}
		}
	})
}

// handOn ends a leader, without a failure.
func handOn(t *testing.T, p *pod) {
	t.Helper()
	if status := p.end(); status != 0 {
		t.Errorf("%s ended with status %d", p, status)
	}
}

func TestScripts_WorkInOnePodAtATime(t *testing.T) {
	t.Parallel()
	eachSidecar(t, []string{"worker", "janitor"}, func(t *testing.T, _ string, _ []object, a, b *pod) {
		a.app.awaitLine(a.name + " works")
		handOn(t, a)
		if status := a.app.awaitEnd(); status != 0 {
			t.Errorf("the script ended with status %d", status)
		}
		b.app.awaitLine(b.name + " works")
		// An ordinary sidecar gets its TERM at the same time as the script.
		done, begun := works(a.app), works(b.app)
		if slices.ContainsFunc(a.spec.InitContainers, isNative) && begun[0] <= done[len(done)-1] {
			t.Errorf("%s, and %s", done[len(done)-1], begun[0])
		}
	})
}

// works are what a script says that it has done; each begins with its time.
func works(k *container) []string {
	return slices.DeleteFunc(strings.Split(k.log(), "\n"), func(line string) bool { return !strings.HasSuffix(line, " works") })
}

// A script that has lost its sidecar cannot know any more.
func TestScripts_DoNotWorkWhenTheSidecarIsGone(t *testing.T) {
	t.Parallel()
	eachSidecar(t, []string{"worker"}, func(t *testing.T, _ string, _ []object, a, b *pod) {
		a.app.awaitLine(a.name + " works")
		a.terminate()
		a.awaitEnd()
		b.app.awaitLine(b.name + " works")
		worked := strings.Count(a.app.log(), "works")
		more := strings.Count(b.app.log(), "works") + 3
		b.app.await("three times more", func() bool { return strings.Count(b.app.log(), "works") >= more })
		if now := strings.Count(a.app.log(), "works"); now > worked+1 { // what it had begun
			t.Errorf("%s has gone on, from %d to %d", a.name, worked, now)
		}
		a.app.terminate()
		a.app.awaitEnd()
	})
}

// A sidecar that is frozen leaves its file behind, and is not there to answer; the
// file's second line says until when it holds. The lease has to run out for this.
func TestScript_StopsBeforeTheLeaseOfAFrozenSidecarEnds(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	e := sidecars[slices.IndexFunc(sidecars, func(e example) bool { return e.name == "a script and a file by the chart" })]
	namespace, all := stageOf(t, e)
	a := startPod(t, namespace, all, 0, "")
	a.app.awaitLine(a.name + " works")
	b := startPod(t, namespace, all, 1, "")
	b.awaitLine("next in line")

	a.runc("pause", a.id)
	t.Cleanup(func() { _, _ = a.tryRunc("resume", a.id) }) // a frozen one cannot be ended
	b.app.awaitLine(b.name + " works")
	done, begun := works(a.app), works(b.app)
	a.runc("resume", a.id)

	if begun[0] <= done[len(done)-1] {
		t.Errorf("%s, and %s", done[len(done)-1], begun[0])
	}
	a.await("the file is gone", func() bool {
		_, err := os.Stat(filepath.Join(a.volume("k8s-await-election-status"), "leader"))
		return os.IsNotExist(err)
	})
	handOn(t, a)
	handOn(t, b)
}

// labelled are the Pods that a selector finds.
func labelled(t *testing.T, namespace string, selector map[string]string) []string {
	t.Helper()
	list, err := server.Client().CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: labels.SelectorFromSet(selector).String()})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

func TestService_FollowsTheLabel(t *testing.T) {
	t.Parallel()
	eachSidecar(t, []string{"front"}, func(t *testing.T, namespace string, all []object, a, b *pod) {
		selector := only[*corev1.Service](t, all).Spec.Selector
		for _, p := range []*pod{a, b} {
			p.app.await("it answers", func() bool {
				status, body, err := p.fetch(8080, "/")
				return err == nil && status == http.StatusOK && body == p.name+"\n"
			})
		}
		a.await("the Service leads to it", func() bool { return slices.Equal(labelled(t, namespace, selector), []string{a.name}) })
		b.await("it is a follower", func() bool {
			return slices.Equal(labelled(t, namespace, map[string]string{"role": "follower"}), []string{b.name})
		})
		handOn(t, a)
		b.await("the Service leads to it", func() bool { return slices.Equal(labelled(t, namespace, selector), []string{b.name}) })
	})
}

func TestSidecar_AloneTellsWhoLeads(t *testing.T) {
	t.Parallel()
	eachSidecar(t, []string{"elector"}, func(t *testing.T, namespace string, _ []object, a, b *pod) {
		says := func(p *pod, leads bool, leader string) func() bool {
			return func() bool {
				status, body, err := p.fetch(4040, "/")
				var answer struct {
					IsLeader     bool `json:"is_leader"`
					Leader, Node string
				}
				return err == nil && status == http.StatusOK && json.Unmarshal([]byte(body), &answer) == nil &&
					answer.IsLeader == leads && answer.Leader == leader && answer.Node == p.name
			}
		}
		a.await("it says that it leads", says(a, true, a.name))
		b.await("it says that the other one leads", says(b, false, a.name))
		handOn(t, a)
		b.await("it says that it leads", says(b, true, b.name))
		b.await("it is labelled", func() bool {
			return slices.Equal(labelled(t, namespace, map[string]string{"k8s-elector/status": "leader"}), []string{b.name})
		})
	})
}
