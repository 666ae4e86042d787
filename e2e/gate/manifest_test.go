package gate

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// manifest is the one that people copy.
var manifest = filepath.Join("..", "..", "examples", "pod", "init-container.yaml")

// objects reads all documents of the manifest.
func objects(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var all []*unstructured.Unstructured
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)); ; {
		o := &unstructured.Unstructured{}
		err := documents.Decode(o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
}

// object finds the one document of a kind.
func object[T any](t *testing.T, kind string) T {
	t.Helper()
	var found T
	all := objects(t)
	i := slices.IndexFunc(all, func(o *unstructured.Unstructured) bool { return o.GetKind() == kind })
	if i < 0 {
		t.Fatalf("%s has no %s", manifest, kind)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(all[i].Object, &found, true); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestManifest_IsAcceptedByTheAPIServer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	client, err := dynamic.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	finder, err := discovery.NewDiscoveryClientForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(finder)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	all := objects(t)
	if len(all) != 5 {
		t.Errorf("%d objects, want 5", len(all))
	}
	for _, o := range all {
		kind := o.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			t.Fatal(err)
		}
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Resource(mapping.Resource).Namespace(s.Namespace).Patch(t.Context(), o.GetName(), types.ApplyPatchType, text,
			metav1.PatchOptions{FieldManager: "test", DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		if err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
}

// manifestPod is a Pod with the environment of the manifest, as the kubelet
// fills it in.
func manifestPod(t *testing.T, s *stage.Stage, name string) stage.Pod {
	t.Helper()
	fields := map[string]string{
		"metadata.namespace": s.Namespace, "metadata.name": name, "metadata.uid": "uid-of-" + name,
		"status.podIPs": "10.0.0.7,fd00::7", "spec.nodeName": "node-1",
	}
	environment := map[string]string{}
	for _, variable := range object[appsv1.Deployment](t, "Deployment").Spec.Template.Spec.Containers[0].Env {
		key, ours := strings.CutPrefix(variable.Name, "K8S_AWAIT_ELECTION_")
		value := variable.Value
		if variable.ValueFrom != nil {
			value = fields[variable.ValueFrom.FieldRef.FieldPath]
		}
		if !ours || value == "" {
			t.Errorf("variable %s: the test does not know what it is", variable.Name)
		}
		environment[key] = value
	}
	// What depends on the container: its address, and redis.
	delete(environment, "STATUS_ENDPOINT")
	environment["READINESS_PROBE_JSON"] = ""
	environment["LOG_LEVEL"] = "debug"
	return stage.Pod{Name: name, Env: environment}
}

// lines are those lines of a log that have a word.
func lines(log, word string) []string {
	var found []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}

func TestManifest_HasARoleWithWhichNothingIsRefused(t *testing.T) {
	for name, former := range map[string]bool{"a new Service": false, "a Service with the Endpoints of an older tool": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stage.New(t, server, programs, object[rbacv1.Role](t, "Role").Rules...)
			service := object[corev1.Service](t, "Service")
			if _, err := server.Client().CoreV1().Services(s.Namespace).Create(t.Context(), &service, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if former {
				_, err := server.Client().CoreV1().Endpoints(s.Namespace).Create(t.Context(),
					&corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: service.Name}}, metav1.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
			}
			a := s.Start(manifestPod(t, s, "redis-0"))
			s.AwaitLeader(a)
			s.AwaitLine(a, "traffic leads here")
			b := s.Start(manifestPod(t, s, "redis-1"))
			s.AwaitStandby(b)
			// The first withdraws, alone, then the second one takes over.
			b.Signal(syscall.SIGTERM)
			s.AwaitExit(b)
			a.Signal(syscall.SIGTERM)
			s.AwaitExit(a)
			c := s.Start(manifestPod(t, s, "redis-2"))
			s.AwaitLeader(c)
			s.AwaitLine(c, "traffic leads here")
			c.Signal(syscall.SIGTERM)
			s.AwaitExit(c)
			for _, gate := range []*stage.Container{a, b, c} {
				for _, line := range lines(gate.Log(), "403 Forbidden") {
					// Looking at everybody's slices is a courtesy for those who may.
					if !strings.Contains(line, "not looking for other EndpointSlices") {
						t.Errorf("with the Role of the manifest: %s", line)
					}
				}
			}
			requests, err := server.Requests(s.User)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range requests {
				courtesy := r.Verb == "list" && r.ObjectRef.Resource == "endpointslices"
				if r.ResponseStatus.Code == http.StatusForbidden && !courtesy {
					t.Errorf("with the Role of the manifest: %s %s is refused", r.Verb, r.RequestURI)
				}
			}
		})
	}
}

// TestManifest_HasNoRightForTheLeaseTooMany takes one verb after the other away
// and provokes what it is for.
func TestManifest_HasNoRightForTheLeaseTooMany(t *testing.T) {
	rules := object[rbacv1.Role](t, "Role").Rules
	i := slices.IndexFunc(rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "leases") })
	if i < 0 {
		t.Fatal("the Role has no rule for leases")
	}
	lease := rules[i]
	isWatch := func(r *http.Request) bool {
		return r.URL.Query().Get("watch") == "true" && strings.Contains(r.URL.Path, "/leases")
	}
	// What a verb is for, where a healthy API server of today never shows it.
	provoke := map[string]func(*http.Request) http.Handler{
		"get": func(r *http.Request) http.Handler {
			if isWatch(r) {
				return faultproxy.Status(http.StatusInternalServerError, "InternalError", "no watch today")
			}
			return nil
		},
		"list": func(r *http.Request) http.Handler {
			if isWatch(r) && r.URL.Query().Get("sendInitialEvents") != "" {
				return faultproxy.Status(http.StatusUnprocessableEntity, "Invalid", "sendInitialEvents is forbidden for watch")
			}
			return nil
		},
	}
	for _, verb := range lease.Verbs {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			for _, permitted := range []bool{true, false} {
				rule := lease.DeepCopy()
				if !permitted {
					rule.Verbs = slices.DeleteFunc(rule.Verbs, func(v string) bool { return v == verb })
				}
				s := stage.New(t, server, programs, *rule)
				answers, kubeconfig := intercept(t, s)
				answers.Answer(provoke[verb])
				pod := manifestPod(t, s, "redis-0")
				pod.Kubeconfig = kubeconfig
				pod.Env["SERVICE_NAME"], pod.Env["SERVICE_PORTS_JSON"], pod.Env["POD_NAME"] = "", "", ""
				a := s.Start(pod)
				if permitted {
					s.AwaitLeader(a)
					if refused := lines(a.Log(), "403 Forbidden"); len(refused) > 0 {
						t.Errorf("with %s: %s", verb, refused)
					}
					continue
				}
				line := s.AwaitLine(a, "level=WARN", "lease "+s.Namespace+"/redis: 403", `cannot `+verb+` resource \"leases\"`)
				if asked := copied(t, line); !slices.Contains(asked.Verbs, verb) {
					t.Errorf("without %s it asks for %v", verb, asked)
				}
			}
		})
	}
}
