package chart

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// probeOf is a probe of the app's in the values, before and after the chart.
type probeOf struct {
	kind, path, variable string
	kubelet              func(corev1.Container) *corev1.Probe
}

var probes = []probeOf{
	{"liveness", "/livez", "LIVENESS_PROBE_JSON", func(c corev1.Container) *corev1.Probe { return c.LivenessProbe }},
	{"readiness", "/readyz", "READINESS_PROBE_JSON", func(c corev1.Container) *corev1.Probe { return c.ReadinessProbe }},
	{"startup", "/startupz", "STARTUP_PROBE_JSON", func(c corev1.Container) *corev1.Probe { return c.StartupProbe }},
}

// probeValues are the app's probes as the user wrote them.
func probeValues(t *testing.T, in input) map[string]map[string]any {
	t.Helper()
	given, err := valuesOf(t, in)
	if err != nil {
		t.Fatal(err)
	}
	app, _ := given["app"].(map[string]any)
	found := map[string]map[string]any{}
	written, _ := app["probes"].(map[string]any)
	for kind, probe := range written {
		if fields, is := probe.(map[string]any); is && len(fields) > 0 {
			found[kind] = fields
		}
	}
	return found
}

func number(fields map[string]any, key string) int32 {
	n, _ := fields[key].(float64)
	return int32(n)
}

// The kubelet asks the gate, at the user's pace; on a standby there is nothing to
// probe.
func TestProbes_OfTheKubeletAskTheGateAndGiveItASecondMore(t *testing.T) {
	t.Parallel()
	eachGated(t, func(t *testing.T, row row, r *rendering) {
		c := workloadOf(t, r).app(t)
		_, port, _ := strings.Cut(environment(c, nil)["K8S_AWAIT_ELECTION_STATUS_ENDPOINT"], ":")
		written := probeValues(t, row.input)
		for _, p := range probes {
			probe, fields := p.kubelet(c), written[p.kind]
			if probe == nil {
				if fields != nil || p.kind != "startup" {
					t.Errorf("%s: the kubelet has no probe", p.kind)
				}
				continue
			}
			get := probe.HTTPGet
			if get == nil || get.Path != p.path || get.Port.String() != port || get.Host != "" || get.Scheme != "" {
				t.Errorf("%s: the kubelet asks %+v, want the gate's %s at %s", p.kind, probe.ProbeHandler, p.path, port)
			}
			timeout := max(1, number(fields, "timeoutSeconds"))
			if p.kind == "liveness" { // the gate runs the startup probe in its place, until that has passed
				timeout = max(timeout, number(written["startup"], "timeoutSeconds"))
			}
			if probe.TimeoutSeconds != timeout+1 {
				t.Errorf("%s: timeout %d, want %d", p.kind, probe.TimeoutSeconds, timeout+1)
			}
			for key, got := range map[string]int32{
				"periodSeconds": probe.PeriodSeconds, "failureThreshold": probe.FailureThreshold, "successThreshold": probe.SuccessThreshold,
			} {
				if want := number(fields, key); got != want {
					t.Errorf("%s: %s %d, want %d", p.kind, key, got, want)
				}
			}
			if probe.InitialDelaySeconds != 0 {
				t.Errorf("%s: the kubelet waits %d s, which have passed long before a standby leads", p.kind, probe.InitialDelaySeconds)
			}
		}
	})
}

// The gate is told the probe as the user wrote it, but for the names of ports. It
// replaces variables itself: what is in them could make the JSON none.
func TestProbes_ReachTheGateWithNumericPorts(t *testing.T) {
	t.Parallel()
	eachGated(t, func(t *testing.T, row row, r *rendering) {
		c := workloadOf(t, r).app(t)
		variables := environment(c, podFields(namespace, "shop-0"))
		written := probeValues(t, row.input)
		for _, p := range probes {
			text, is := variables["K8S_AWAIT_ELECTION_"+p.variable]
			fields := written[p.kind]
			if is != (fields != nil) {
				t.Errorf("%s: probe %v, variable %q", p.kind, fields, text)
			}
			if fields == nil {
				continue
			}
			var got, want corev1.Probe
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			normalise(fields, c)
			back, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(back, &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: the gate is told %s, want %s", p.kind, text, back)
			}
		}
	})
}

// normalise puts numbers for the names of ports, and texts for the numbers that a
// probe of the values may have in their place.
func normalise(probe map[string]any, c corev1.Container) {
	for _, handler := range probe {
		fields, _ := handler.(map[string]any)
		if name, is := fields["port"].(string); is {
			fields["port"] = portNumber(name, c)
		}
		command, _ := fields["command"].([]any)
		for i, word := range command {
			command[i] = fmt.Sprint(word)
		}
		headers, _ := fields["httpHeaders"].([]any)
		for _, header := range headers {
			h, _ := header.(map[string]any)
			h["value"] = fmt.Sprint(h["value"])
		}
	}
}

func portNumber(name string, c corev1.Container) int {
	for _, p := range c.Ports {
		if p.Name == name {
			return int(p.ContainerPort)
		}
	}
	n, _ := strconv.Atoi(name) // a number in quotes
	return n
}

const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

func TestToken_IsInTheElectedContainerAlone(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		w := workloadOf(t, r)
		if mount := w.template.Spec.AutomountServiceAccountToken; mount == nil || *mount {
			t.Error("the kubelet mounts the token into every container")
		}
		mounts := w.elected(t).VolumeMounts
		i := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath == tokenPath })
		if i < 0 || !mounts[i].ReadOnly {
			t.Fatalf("who stands for election has no token: %v", mounts)
		}
		volume := mounts[i].Name
		for _, c := range w.others() {
			for _, m := range c.VolumeMounts {
				if m.Name == volume || m.MountPath == tokenPath {
					t.Errorf("container %s mounts the token", c.Name)
				}
			}
		}
		i = slices.IndexFunc(w.template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume })
		if i < 0 || w.template.Spec.Volumes[i].Projected == nil {
			t.Fatal("the token is no projected volume")
		}
		// What client-go's in-cluster configuration reads.
		files := map[string]bool{}
		for _, source := range w.template.Spec.Volumes[i].Projected.Sources {
			switch {
			case source.ServiceAccountToken != nil:
				files[source.ServiceAccountToken.Path] = true
			case source.ConfigMap != nil && source.ConfigMap.Name == "kube-root-ca.crt":
				for _, item := range source.ConfigMap.Items {
					files[item.Path] = true
				}
			case source.DownwardAPI != nil:
				for _, item := range source.DownwardAPI.Items {
					files[item.Path] = item.FieldRef.FieldPath == "metadata.namespace"
				}
			}
		}
		if !maps.Equal(files, map[string]bool{"token": true, "ca.crt": true, "namespace": true}) {
			t.Errorf("the volume of the token has %v", files)
		}
		for _, o := range all[*corev1.ServiceAccount](r) {
			if o.Labels["app.kubernetes.io/managed-by"] != "Helm" {
				continue // the user's own, by extraObjects
			}
			if o.AutomountServiceAccountToken == nil || *o.AutomountServiceAccountToken {
				t.Error("other Pods of the ServiceAccount get its token")
			}
		}
	})
}

func TestGate_IsInstalledWhereTheAppCannotChangeIt(t *testing.T) {
	t.Parallel()
	baked := 0
	for _, row := range rows(t) {
		w := workloadOf(t, render(t, row.input))
		if !w.isGated() {
			continue
		}
		c, installer := w.app(t), w.installer()
		if installer == nil {
			baked++
			continue
		}
		if w.template.Spec.InitContainers[0].Name != installer.Name {
			t.Errorf("%s: the gate is installed behind others", row.name)
		}
		for _, list := range []corev1.ResourceList{installer.Resources.Requests, installer.Resources.Limits} {
			if list.Cpu().IsZero() || list.Memory().IsZero() {
				t.Errorf("%s: the init container has the resources %+v; a quota refuses it", row.name, installer.Resources)
			}
		}
		if len(installer.VolumeMounts) != 1 || installer.VolumeMounts[0].ReadOnly {
			t.Fatalf("%s: the init container mounts %v", row.name, installer.VolumeMounts)
		}
		to := installer.VolumeMounts[0]
		if target := installer.Args[slices.Index(installer.Args, "--install")+1]; path.Clean(target) != path.Clean(to.MountPath) {
			t.Errorf("%s: installs into %s, and mounts %s", row.name, target, to.MountPath)
		}
		i := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == to.Name })
		if i < 0 || !c.VolumeMounts[i].ReadOnly || path.Clean(c.VolumeMounts[i].MountPath) != path.Dir(c.Command[0]) {
			t.Errorf("%s: the app runs %s and mounts %v", row.name, c.Command[0], c.VolumeMounts)
		}
		for _, other := range w.others() {
			for _, m := range other.VolumeMounts {
				if m.Name == to.Name && other.Name != installer.Name {
					t.Errorf("%s: container %s mounts the gate", row.name, other.Name)
				}
			}
		}
	}
	if baked == 0 {
		t.Error("no row has the gate in the image")
	}
}

func TestApp_KeepsItsSecurityContextAndResources(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		w := workloadOf(t, r)
		var written struct {
			App struct {
				SecurityContext *corev1.SecurityContext
				Resources       corev1.ResourceRequirements
			}
			PodSecurityContext *corev1.PodSecurityContext
		}
		given, err := valuesOf(t, row.input)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(given)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &written); err != nil {
			t.Fatal(err)
		}
		if got := w.app(t).SecurityContext; !reflect.DeepEqual(got, written.App.SecurityContext) {
			t.Errorf("the app has the security context %v, want %v", got, written.App.SecurityContext)
		}
		if got := w.template.Spec.SecurityContext; !reflect.DeepEqual(got, written.PodSecurityContext) {
			t.Errorf("the Pod has the security context %v, want %v", got, written.PodSecurityContext)
		}
		if got := w.app(t).Resources; !reflect.DeepEqual(got, written.App.Resources) {
			t.Errorf("the app has the resources %v, want %v", got, written.App.Resources)
		}
	})
}

// The kubelet kills at the end of the grace period, and the lease of a gate that
// is killed has to run out.
func TestApp_IsStoppedBeforeTheGracePeriodEnds(t *testing.T) {
	t.Parallel()
	eachGated(t, func(t *testing.T, _ row, r *rendering) {
		w := workloadOf(t, r)
		if w.template.Spec.TerminationGracePeriodSeconds == nil {
			t.Fatal("no grace period")
		}
		grace := time.Duration(*w.template.Spec.TerminationGracePeriodSeconds) * time.Second
		text := environment(w.app(t), nil)["K8S_AWAIT_ELECTION_STOP_TIMEOUT"]
		if _, err := strconv.Atoi(text); err == nil {
			text += "s"
		}
		timeout, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(grace-5*time.Second, 500*time.Millisecond); timeout != want {
			t.Errorf("the app has %v of %v, want %v", timeout, grace, want)
		}
	})
}

func TestPods_RunOnLinuxUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	const linux = "kubernetes.io/os"
	for told, want := range map[string]map[string]string{
		"{}":                        {linux: "linux"},
		"nodeSelector: {disk: ssd}": {linux: "linux", "disk": "ssd"},
		"nodeSelector: {" + linux + ": null, disk: ssd}": {"disk": "ssd"},
	} {
		got := workloadOf(t, render(t, input{yaml: told, set: twoValues})).template.Spec.NodeSelector
		if !maps.Equal(got, want) {
			t.Errorf("%s: the Pods run on nodes with %v, want %v", told, got, want)
		}
	}
}

// levels are what a rendering's Pods have to meet.
func levels(restricted bool) []api.Level {
	if restricted {
		return []api.Level{api.LevelBaseline, api.LevelRestricted}
	}
	return []api.Level{api.LevelBaseline}
}

func TestPods_MeetThePodSecurityStandards(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		pods := []*corev1.Pod{workloadOf(t, r).pod(namespace)}
		for _, pod := range append(pods, all[*corev1.Pod](r)...) {
			for _, level := range levels(row.restricted) {
				version := api.LevelVersion{Level: level, Version: api.LatestVersion()}
				result := policy.AggregateCheckResults(evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec))
				if !result.Allowed {
					t.Errorf("Pod %s: %s: %s", pod.Name, level, result.ForbiddenDetail())
				}
			}
		}
	})
}

// Whatever the app is, what the chart adds to its Pod is no reason to refuse it.
func TestPods_HaveContainersOfOurOwnThatMeetRestricted(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	version := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		pods := all[*corev1.Pod](r)
		for _, own := range workloadOf(t, r).own() {
			pods = append(pods, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: corev1.PodSpec{InitContainers: []corev1.Container{own}}})
		}
		for _, pod := range pods {
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec))
			if !result.Allowed {
				t.Errorf("%s: %s", pod.Name, result.ForbiddenDetail())
			}
		}
	})
}
