package chart

import (
	"encoding/json"
	"path"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// eachSidecar is eachRow for those that have a sidecar.
func eachSidecar(t *testing.T, check func(*testing.T, row, *rendering)) {
	t.Helper()
	seen := false
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		if !workloadOf(t, r).isGated() {
			check(t, row, r)
		}
	})
	for _, row := range rows(t) {
		seen = seen || !workloadOf(t, render(t, row.input)).isGated()
	}
	if !seen {
		t.Error("no row has a sidecar")
	}
}

// The kubelet starts the app when the startup probe of the sidecar has passed, and
// ends the sidecar after the app.
func TestSidecar_IsThereBeforeTheAppAndAfterIt(t *testing.T) {
	t.Parallel()
	eachSidecar(t, func(t *testing.T, _ row, r *rendering) {
		w := workloadOf(t, r)
		all := w.template.Spec.InitContainers
		c := all[len(all)-1]
		if !isSidecar(c) {
			t.Fatalf("the last init container is %s; another would keep a leader from starting its app", c.Name)
		}
		if slices.ContainsFunc(all[:len(all)-1], isSidecar) || slices.ContainsFunc(w.template.Spec.Containers, isGated) {
			t.Error("the program is there twice")
		}
		if len(c.Command)+len(c.Args) > 0 {
			t.Errorf("the sidecar has the command %q %q, which would be its child", c.Command, c.Args)
		}
		port := c.Ports[0].ContainerPort
		for what, probe := range map[string]*corev1.Probe{"/readyz": c.StartupProbe, "/livez": c.LivenessProbe} {
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != what || probe.HTTPGet.Port.IntVal != port {
				t.Errorf("want a probe of %s at %d, got %+v", what, port, probe)
			}
		}
		if c.ReadinessProbe != nil {
			t.Error("an API server that is away leads clients away from the app")
		}
		if list := c.Resources.Requests; list.Cpu().IsZero() || list.Memory().IsZero() {
			t.Errorf("the sidecar has the resources %+v; a quota refuses it", c.Resources)
		}
	})
}

func TestSidecar_IsWhereTheAppIsTold(t *testing.T) {
	t.Parallel()
	told := func(yaml string) map[string]string {
		return environment(workloadOf(t, render(t, input{yaml: "mode: sidecar\n" + yaml})).app(t), nil)
	}
	const image = "app: {image: {repository: redis}}\n"
	for name, row := range map[string]struct {
		got  map[string]string
		want map[string]string
	}{
		"by HTTP":   {told(image), map[string]string{"ELECTION_URL": "http://localhost:9999"}},
		"by a port": {told(image + "gate: {statusPort: 4040}"), map[string]string{"ELECTION_URL": "http://localhost:4040"}},
		"by a file": {told(image + "sidecar: {statusFile: /a/b}"), map[string]string{"ELECTION_URL": "http://localhost:9999", "ELECTION_FILE": "/a/b"}},
		"by a folder": {told(image + "sidecar: {statusDir: /a/b/}"),
			map[string]string{"ELECTION_URL": "http://localhost:9999", "ELECTION_FILE": "/a/b/leader"}},
		"by its own names": {told("app: {image: {repository: redis}, env: {ELECTION_URL: mine, OTHER: $(ELECTION_URL)}}"),
			map[string]string{"ELECTION_URL": "mine", "OTHER": "mine"}},
		"not at all": {told("app: {image: {repository: redis}, env: {ELECTION_URL: null}}"), map[string]string{}},
	} {
		if !reflect.DeepEqual(row.got, row.want) {
			t.Errorf("%s: the app finds %v, want %v", name, row.got, row.want)
		}
	}
}

// Nothing is put before the image's own command, and the kubelet probes the app.
func TestSidecar_LeavesTheAppToTheKubelet(t *testing.T) {
	t.Parallel()
	eachSidecar(t, func(t *testing.T, row row, r *rendering) {
		given, err := valuesOf(t, row.input)
		if err != nil {
			t.Fatal(err)
		}
		written, _ := given["app"].(map[string]any)
		c := workloadOf(t, r).app(t)
		if _, is := written["command"]; !is && c.Command != nil {
			t.Errorf("the image's ENTRYPOINT is replaced by %q", c.Command)
		}
		if _, is := written["args"]; is != (c.Args != nil) {
			t.Errorf("the arguments are %q, want %v", c.Args, written["args"])
		}
		var lifecycle *corev1.Lifecycle
		if text, err := json.Marshal(written["lifecycle"]); err != nil || json.Unmarshal(text, &lifecycle) != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(c.Lifecycle, lifecycle) {
			t.Errorf("the hooks are %v, want %v", c.Lifecycle, lifecycle)
		}
		probes := probeValues(t, row.input)
		for kind, probe := range map[string]*corev1.Probe{"liveness": c.LivenessProbe, "readiness": c.ReadinessProbe, "startup": c.StartupProbe} {
			var want *corev1.Probe
			if fields := probes[kind]; fields != nil {
				normalise(fields, c)
				text, err := json.Marshal(fields)
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(text, &want); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(probe, want) {
				t.Errorf("%s: the kubelet has the probe %+v, want %+v", kind, probe, want)
			}
		}
	})
}

func TestSidecar_WritesAFileThatTheAppCanOnlyRead(t *testing.T) {
	t.Parallel()
	eachSidecar(t, func(t *testing.T, _ row, r *rendering) {
		w := workloadOf(t, r)
		variables := environment(w.elected(t), nil)
		folder := ""
		if file := variables["K8S_AWAIT_ELECTION_STATUS_FILE"]; file != "" {
			folder = path.Dir(file)
		}
		if given := variables["K8S_AWAIT_ELECTION_STATUS_DIR"]; given != "" {
			folder = path.Clean(given)
		}
		i := slices.IndexFunc(w.elected(t).VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath != tokenPath })
		if i < 0 {
			if folder != "" {
				t.Errorf("nothing is mounted at %s", folder)
			}
			return
		}
		mount := w.elected(t).VolumeMounts[i]
		if mount.MountPath != folder || mount.ReadOnly {
			t.Errorf("the sidecar mounts %+v, and writes to %q", mount, folder)
		}
		for _, c := range w.others() {
			for _, m := range c.VolumeMounts {
				if m.Name == mount.Name && (c.Name != "app" || m.MountPath != folder || !m.ReadOnly) {
					t.Errorf("container %s mounts %+v", c.Name, m)
				}
			}
		}
		if !slices.ContainsFunc(w.app(t).VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == mount.Name }) {
			t.Error("the app does not mount the folder")
		}
		if !slices.ContainsFunc(w.template.Spec.Volumes, func(v corev1.Volume) bool {
			return v.Name == mount.Name && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory
		}) {
			t.Error("the folder is on a disk, which may hang")
		}
	})
}

func TestRole_PermitsPodsOnlyWhereTheyAreLabelled(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		for _, role := range all[*rbacv1.Role](r) {
			permits := slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Resources, "pods") })
			if labels := environment(workloadOf(t, r).elected(t), nil)["K8S_AWAIT_ELECTION_POD_LABEL"] != ""; permits != labels {
				t.Errorf("labels Pods: %t, is permitted to: %t", labels, permits)
			}
		}
	})
}
