package examples

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
	"github.com/k8s-await-election/k8s-await-election/internal/probe"
)

// fields are what the kubelet knows of a Pod.
func fields(namespace, name, ip string) map[string]string {
	return map[string]string{
		"metadata.namespace": namespace, "metadata.name": name, "metadata.uid": "uid-of-" + name,
		"status.podIPs": ip, "status.podIP": ip, "spec.nodeName": "node-1",
	}
}

// environment is that of a container, with its Pod's fields filled in.
func environment(t *testing.T, c corev1.Container, fields map[string]string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, variable := range c.Env {
		if _, twice := all[variable.Name]; twice {
			t.Errorf("%s is set twice", variable.Name)
		}
		all[variable.Name] = variable.Value
		if variable.ValueFrom == nil {
			continue
		}
		value, known := fields[variable.ValueFrom.FieldRef.FieldPath]
		if !known {
			t.Errorf("%s: the test does not know the field %s", variable.Name, variable.ValueFrom.FieldRef.FieldPath)
		}
		all[variable.Name] = value
	}
	return all
}

// The process has one environment, so this is not parallel.
func TestExamples_HaveAnEnvironmentThatTheGateAccepts(t *testing.T) {
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			all := objects(t, e.make(t))
			c := elected(t, only[*appsv1.Deployment](t, all).Spec.Template.Spec)
			for name, value := range environment(t, c, fields("default", e.app+"-0", "10.0.0.7,fd00::7")) {
				t.Setenv(name, value)
			}
			got, err := config.Load(slices.Concat(c.Command[1:], c.Args))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Warnings) > 0 {
				t.Errorf("warnings: %q", got.Warnings)
			}
			if !got.Enabled || got.Identity != e.app+"-0" || got.PodUID == "" || got.StopTimeout == 0 || got.StatusEndpoint == "" {
				t.Errorf("something is missing: %+v", got)
			}
			if ready, err := probe.Parse(probe.Readiness, got.ReadinessProbeJSON); err != nil || ready == nil {
				t.Errorf("readiness probe %v, %v", ready, err)
			}
			service := only[*corev1.Service](t, all)
			if got.ServiceName != service.Name || len(service.Spec.Selector) > 0 {
				t.Errorf("the gate leads the Service %q, of the Service %q that selects %v", got.ServiceName, service.Name, service.Spec.Selector)
			}
			if !mayHold(only[*rbacv1.Role](t, all), got.LockName) {
				t.Errorf("the Role has no right for the Lease %s", got.LockName)
			}
		})
	}
}

// Nor is this.
func TestSidecars_HaveAnEnvironmentThatTheProgramAccepts(t *testing.T) {
	for _, e := range sidecars {
		t.Run(e.name, func(t *testing.T) {
			all := objects(t, e.make(t))
			c := elected(t, only[*appsv1.Deployment](t, all).Spec.Template.Spec)
			variables := environment(t, c, fields("default", e.app+"-0", "10.0.0.7"))
			for name, value := range variables {
				t.Setenv(name, value)
			}
			got, err := config.Load(expand(c.Args, variables))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Warnings) > 0 {
				t.Errorf("warnings: %q", got.Warnings)
			}
			if !got.Sidecar || got.LockName != e.app || got.LockNamespace != "default" || got.OnLost != config.Standby {
				t.Errorf("not as it should be: %+v", got)
			}
			role := only[*rbacv1.Role](t, all)
			if !mayHold(role, got.LockName) {
				t.Errorf("the Role has no right for the Lease %s", got.LockName)
			}
			labels := slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Resources, "pods") })
			if labels != (got.PodLabel != "") {
				t.Errorf("the label is %q, and the Role permits one: %t", got.PodLabel, labels)
			}
			if labels && got.PodName != e.app+"-0" {
				t.Errorf("the label is for the Pod %s", got.PodName)
			}
		})
	}
}

// The values are the manifests by the chart, so the scripts are the same.
func TestSidecars_HaveOneScript(t *testing.T) {
	t.Parallel()
	script := func(e example) string {
		for _, c := range only[*appsv1.Deployment](t, objects(t, e.make(t))).Spec.Template.Spec.Containers {
			if c.Image != ours {
				return strings.Join(c.Command, " ")
			}
		}
		return ""
	}
	if a, b := script(sidecars[0]), script(sidecars[1]); a != b || a == "" {
		t.Errorf("%s\nand by the chart\n%s", a, b)
	}
}

// mayHold tells whether a Role gives all rights for a Lease, and for it alone.
func mayHold(role *rbacv1.Role, lease string) bool {
	return slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Equal(rule.Resources, []string{"leases"}) && slices.Equal(rule.ResourceNames, []string{lease}) &&
			maps.Equal(set(rule.Verbs), set([]string{"get", "list", "watch", "create", "update"}))
	})
}

func set(words []string) map[string]bool {
	all := map[string]bool{}
	for _, word := range words {
		all[word] = true
	}
	return all
}

// The two lines that a user writes are those that the README of the component
// and the examples show.
func TestComponent_TakesTwoLines(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"redis/kustomize/kustomization.yaml", "nginx/kustomize/kustomization.yaml"} {
		text, err := os.ReadFile(path(name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(text), "\ncomponents:\n  - ../../component\n") {
			t.Errorf("%s does not end with the two lines:\n%s", name, text)
		}
	}
}
