package examples

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// before is what a user has: the least that the component can do with.
const before = `
apiVersion: v1
kind: Service
metadata: {name: shop-front}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: server
          image: shop
          command: [shop-server, --verbose]
`

const another = `
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: another}
spec:
  selector: {matchLabels: {app: another}}
  template:
    metadata: {labels: {app: another}}
    spec:
      containers: [{name: server, image: shop, command: [shop-server]}]
`

// gate puts a component before what a user has.
func gate(t *testing.T, component, resources, more string) ([]byte, error) {
	t.Helper()
	folder := t.TempDir()
	absolute, err := filepath.Abs(path(component))
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(folder, absolute)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"shop.yaml":          resources,
		"kustomization.yaml": "resources: [shop.yaml]\ncomponents:\n  - " + relative + "\n" + more,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return build(folder)
}

func mustGate(t *testing.T, component, resources, more string) []object {
	t.Helper()
	text, err := gate(t, component, resources, more)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, text)
}

func TestComponent_PutsTheGateBeforeTheCommandAndKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	given := strings.Replace(before, "      containers:", `      volumes: [{name: data, emptyDir: {}}]
      initContainers: [{name: prepare, image: shop}]
      containers:`, 1) + `          env: [{name: COLOUR, value: blue}]
          volumeMounts: [{name: data, mountPath: /data}]
          livenessProbe: {tcpSocket: {port: 8080}}
          startupProbe: {tcpSocket: {port: 8080}}
        - name: beside
          image: beside
`
	all := mustGate(t, "component", given, "")
	apply(t, newNamespace(t, "baseline"), all)
	pod := only[*appsv1.Deployment](t, all).Spec.Template.Spec
	c := pod.Containers[0]
	if !slices.Equal(c.Command, []string{"/gate/k8s-await-election", "shop-server", "--verbose"}) {
		t.Errorf("command %q", c.Command)
	}
	vars := environment(t, c, fields("prod", "shop-0", "10.0.0.7"))
	if vars["COLOUR"] != "blue" || vars["K8S_AWAIT_ELECTION_SERVICE_PORTS_JSON"] != `[{"name":"http","port": 8080 }]` {
		t.Errorf("environment %v", vars)
	}
	if len(c.VolumeMounts) != 2 || len(pod.Volumes) != 2 || len(pod.InitContainers) != 2 {
		t.Errorf("mounts %v, volumes %v, init containers %v", c.VolumeMounts, pod.Volumes, pod.InitContainers)
	}
	mounted := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/gate" })
	if mounted < 0 || !c.VolumeMounts[mounted].ReadOnly {
		t.Errorf("the gate's volume is not mounted read-only: %v", c.VolumeMounts)
	}
	if c.StartupProbe != nil || c.LivenessProbe.HTTPGet == nil {
		t.Errorf("the kubelet still probes the command: %v, %v", c.StartupProbe, c.LivenessProbe)
	}
	if other := pod.Containers[1]; len(other.Command) > 0 || len(other.Env) > 0 {
		t.Errorf("the second container is changed: %v", other)
	}
	role := only[*rbacv1.Role](t, all)
	for _, rule := range role.Rules {
		for _, name := range rule.ResourceNames {
			if name != "shop" && !strings.HasPrefix(name, "shop-front") {
				t.Errorf("a right for %s", name)
			}
		}
	}
}

func TestComponent_GoesWithoutAService(t *testing.T) {
	t.Parallel()
	_, worker, _ := strings.Cut(before, "---")
	all := mustGate(t, "component/worker", worker, "")
	apply(t, newNamespace(t, "baseline"), all)
	vars := environment(t, elected(t, only[*appsv1.Deployment](t, all).Spec.Template.Spec), fields("prod", "shop-0", "10.0.0.7"))
	if vars["K8S_AWAIT_ELECTION_LOCK_NAME"] != "shop" || vars["K8S_AWAIT_ELECTION_SERVICE_NAME"] != "" {
		t.Errorf("environment %v", vars)
	}
	if rules := only[*rbacv1.Role](t, all).Rules; len(rules) != 2 {
		t.Errorf("rights for more than the Lease and Events: %v", rules)
	}
}

func TestComponent_LetsTheUserHaveTheLastWord(t *testing.T) {
	t.Parallel()
	all := mustGate(t, "component", before, `
namespace: prod
images: [{name: localhost/k8s-await-election, newName: registry.example.org/gate, newTag: v1}]
replicas: [{name: shop, count: 3}]
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: shop}
      spec:
        template:
          spec:
            containers:
              - name: server
                env:
                  - {name: K8S_AWAIT_ELECTION_LEASE_DURATION, value: "30"}
                  - {name: K8S_AWAIT_ELECTION_READINESS_PROBE_JSON, value: '{"httpGet":{"path":"/","port":8080}}'}
`)
	d := only[*appsv1.Deployment](t, all)
	vars := environment(t, d.Spec.Template.Spec.Containers[0], fields("prod", "shop-0", "10.0.0.7"))
	if vars["K8S_AWAIT_ELECTION_LEASE_DURATION"] != "30" || !strings.Contains(vars["K8S_AWAIT_ELECTION_READINESS_PROBE_JSON"], "httpGet") {
		t.Errorf("environment %v", vars)
	}
	if *d.Spec.Replicas != 3 || d.Spec.Template.Spec.InitContainers[0].Image != "registry.example.org/gate:v1" {
		t.Errorf("replicas %d, image %s", *d.Spec.Replicas, d.Spec.Template.Spec.InitContainers[0].Image)
	}
	if b := only[*rbacv1.RoleBinding](t, all); b.Namespace != "prod" || b.RoleRef.Name != "shop" || b.Subjects[0].Name != d.Spec.Template.Spec.ServiceAccountName {
		t.Errorf("binding %+v", b)
	}
}

func TestComponent_RefusesWhatItWouldGetWrong(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, from, to string
		says           string
	}{
		{"no command", "command: [shop-server, --verbose]", "args: [--verbose]", "/spec/template/spec/containers/0/command"},
		{"a ServiceAccount of its own", "      containers:", "      serviceAccountName: shop\n      containers:", "/spec/template/spec/serviceAccountName"},
		{"two ports", "targetPort: 8080}", "targetPort: 8080}, {name: metrics, port: 9090, targetPort: 9090}", "/spec/ports/1"},
		{"a port without a name", "name: http, ", "", "spec.ports.0.name"},
		{"a port without a target", ", targetPort: 8080", "", "spec.ports.0.targetPort"},
		{"a Service without a selector", "  selector: {app: shop}\n  ports", "  ports", "/spec/selector"},
		{"two Deployments", "[shop-server, --verbose]\n", "[shop-server, --verbose]\n" + another, "multiple"},
		{"no Service", "kind: Service", "kind: Other", "nothing selected by Service"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			given := strings.Replace(before, row.from, row.to, 1)
			if given == before {
				t.Fatal("the test changes nothing")
			}
			if _, err := gate(t, "component", given, ""); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("error %v, want one that says %q", err, row.says)
			}
		})
	}
}
