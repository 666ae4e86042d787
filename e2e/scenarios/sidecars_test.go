package scenarios

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sidecar is one way of the READMEs of the examples where the app runs in every
// Pod.
type sidecar struct {
	name, folder, file string
	// app is what its objects are called, container that of the app.
	app, container string
	// native: the kubelet ends the sidecar after the app.
	native bool
}

var scripts = []sidecar{
	{"events by manifests", "sidecar-http", "manifests.yaml", "worker", "worker", true},
	{"events by the chart", "sidecar-http", "values.yaml", "worker", "app", true},
	{"a directory by manifests", "sidecar-file", "manifests.yaml", "janitor", "janitor", false},
	{"a file by the chart", "sidecar-file", "values.yaml", "janitor", "app", true},
}

// installSidecar does what the README says, in a namespace that is restricted.
func installSidecar(t *testing.T, e sidecar) *scenario {
	t.Helper()
	s := begin(t, restricted)
	file := inExample(e.folder, e.file)
	if e.file == "values.yaml" {
		release := s.helm(e.app, file)
		release.install()
		release.test()
		return s
	}
	s.kubectl("apply", "-f", file)
	s.kubectl("rollout", "status", "deployment/"+e.app, "--timeout="+patience.String())
	return s
}

// another is the holder of a Lease that is not the former one.
func (s *scenario) another(app, former string) string {
	s.t.Helper()
	var next string
	s.await("somebody leads after "+former, func() error {
		if next = s.exampleLeader(app); next == former {
			return fmt.Errorf("%s still leads", former)
		}
		return nil
	})
	return next
}

// follow gathers what a container prints, until it ends.
func (s *scenario) follow(pod, container string) (wait func() []string) {
	s.t.Helper()
	command := exec.CommandContext(s.ctx, site.kubectl, "--namespace="+s.namespace, "logs", "--follow", pod, "--container="+container)
	var said bytes.Buffer
	command.Stdout = &said
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() []string {
		s.t.Helper()
		if err := command.Wait(); err != nil {
			s.t.Fatal(err)
		}
		return works(said.String())
	}
}

// works are a script's lines of what it has done; each begins with its time.
func works(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return !strings.HasSuffix(line, " works") })
}

// awaitWork waits until the script of a Pod has done something.
func (s *scenario) awaitWork(pod, container string) (done []string) {
	s.t.Helper()
	s.await("the script of "+pod+" works", func() error {
		said, err := s.tryKubectl("logs", pod, "--container="+container)
		if done = works(said); err == nil && len(done) == 0 {
			err = fmt.Errorf("it says %q", said)
		}
		return err
	})
	return done
}

func TestSidecar_HasAScriptWorkInOnePodAtATime(t *testing.T) {
	t.Parallel()
	for _, e := range scripts {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := installSidecar(t, e)
			first := s.exampleLeader(e.app)
			s.awaitWork(first, e.container)
			ended := s.follow(first, e.container)
			s.kubectl("delete", "pod", first)
			done := ended()
			begun := s.awaitWork(s.another(e.app, first), e.container)
			if e.native && begun[0] <= done[len(done)-1] {
				t.Errorf("%s, and %s", done[len(done)-1], begun[0])
			}
		})
	}
}

// The kubelet starts the app when the sidecar has seen the lease.
func TestSidecar_IsReadyBeforeItsAppStarts(t *testing.T) {
	t.Parallel()
	s := installSidecar(t, scripts[1])
	pods, err := s.client.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=worker"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		status := pods.Items[i].Status
		beside := status.InitContainerStatuses[0]
		app := status.ContainerStatuses[slices.IndexFunc(status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.Name == "app" })]
		if beside.Started == nil || !*beside.Started || beside.RestartCount > 0 || app.RestartCount > 0 {
			t.Errorf("the sidecar is %+v, the app %+v", beside, app)
			continue
		}
		if app.State.Running.StartedAt.Before(&beside.State.Running.StartedAt) {
			t.Errorf("the app has run since %v, the sidecar since %v", app.State.Running.StartedAt, beside.State.Running.StartedAt)
		}
	}
}

func TestSidecar_HasAServiceFollowItsLabel(t *testing.T) {
	t.Parallel()
	for _, e := range []sidecar{
		{"by manifests", "role-label-service", "manifests.yaml", "front", "front", true},
		{"by the chart", "role-label-service", "values.yaml", "front", "app", true},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := installSidecar(t, e)
			first := s.exampleLeader(e.app)
			s.awaitAnswer("http://front."+s.namespace+".svc.cluster.local/", first+"\n")
			s.kubectl("delete", "pod", first)
			s.awaitAnswer("http://front."+s.namespace+".svc.cluster.local/", s.another(e.app, first)+"\n")
		})
	}
}

func TestSidecar_AloneTellsWhoLeads(t *testing.T) {
	t.Parallel()
	s := installSidecar(t, sidecar{"alone", "sidecar-http", "alone.yaml", "elector", "", false})
	s.await("an elector names the leader", func() error {
		readers, err := site.everyReader(s.ctx)
		if err != nil {
			return err
		}
		said, err := site.askFrom(s.ctx, readers[0], "http://elector."+s.namespace+".svc.cluster.local/")
		if want := `"leader":"` + s.exampleLeader("elector") + `"`; err == nil && !strings.Contains(said, want) {
			err = fmt.Errorf("it says %q", said)
		}
		return err
	})
}

// awaitAnswer waits until the URL answers so from every node.
func (s *scenario) awaitAnswer(url, want string) {
	s.t.Helper()
	s.await(fmt.Sprintf("%s answers %q", url, want), func() error {
		readers, err := site.everyReader(s.ctx)
		if err != nil {
			return err
		}
		for _, r := range readers {
			said, err := site.askFrom(s.ctx, r, url)
			if err != nil {
				return err
			}
			if said != want {
				return fmt.Errorf("from %s it answers %q", r.node, said)
			}
		}
		return nil
	})
}
