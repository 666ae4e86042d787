package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

// root is the repository.
var root = filepath.Join("..", "..", "..")

// typed are the arguments of a command line as a shell understands it.
func typed(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "helm() { printf '%s\\n' \"$@\"; }\n"+line).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestHelmInstall_IsACommandThatAShellUnderstands(t *testing.T) {
	t.Parallel()
	got := typed(t, helmInstall([]string{"further=it's"}))
	want := []string{"install", "redis", "charts/k8s-await-election", "--namespace", namespace}
	for _, text := range append(slices.Clone(settings), "further=it's") {
		want = append(want, "--set", text)
	}
	want = append(want, "--values", "examples/redis/values-volume.yaml")
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestREADME_HasTheCommandOfTheDemo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "examples", "redis", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, command, found := strings.Cut(string(text), "\nhelm install redis charts/k8s-await-election \\\n")
	command, _, ended := strings.Cut(command, "```")
	if !found || !ended {
		t.Fatal("there is no helm install of several lines")
	}
	want := slices.DeleteFunc(typed(t, helmInstall(nil)), func(argument string) bool { return argument == "--namespace" || argument == namespace })
	if got := typed(t, "helm install redis charts/k8s-await-election \\\n"+command); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// deployment is what Helm makes of the settings.
func deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	install := action.NewInstall(&action.Configuration{Log: t.Logf})
	install.ClientOnly, install.DryRun = true, true
	install.ReleaseName, install.Namespace = release, namespace
	version, err := chartutil.ParseKubeVersion(apiserver.Version)
	if err != nil {
		t.Fatal(err)
	}
	install.KubeVersion = version
	chart, err := loader.LoadDir(filepath.Join(root, chartFolder))
	if err != nil {
		t.Fatal(err)
	}
	options := values.Options{ValueFiles: []string{filepath.Join(root, valuesFile)}, Values: settings}
	given, err := options.MergeValues(nil)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := install.Run(chart, given)
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(rendered.Manifest, "\n---\n") {
		var found appsv1.Deployment
		if err := yaml.Unmarshal([]byte(document), &found); err == nil && found.Kind == "Deployment" {
			return &found
		}
	}
	t.Fatal("the chart renders no Deployment")
	return nil
}

func TestSettings_RunRedisOnTheVolume(t *testing.T) {
	t.Parallel()
	pod := deployment(t).Spec.Template.Spec
	app := pod.Containers[0]
	if app.Image != image {
		t.Errorf("the image is %s, want %s", app.Image, image)
	}
	command := []string{"/gate/k8s-await-election", "redis-server", "--protected-mode", "no", "--dir", "/data", "--appendonly", "yes", "--appendfsync", "always"}
	if !slices.Equal(app.Command, command) {
		t.Errorf("the command is %q, want %q", app.Command, command)
	}
	mounted := slices.IndexFunc(app.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/data" })
	if mounted < 0 {
		t.Fatal("nothing is mounted where redis writes")
	}
	volume := pod.Volumes[slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == app.VolumeMounts[mounted].Name })]
	if volume.PersistentVolumeClaim == nil || volume.PersistentVolumeClaim.ClaimName != data {
		t.Errorf("redis writes to %+v, not to the claim %s", volume, data)
	}
	// What the cleaner removes.
	if got := app.VolumeMounts[mounted].SubPath; "/volume/"+got != (&demo{}).cleaner().Spec.Containers[0].Command[2] {
		t.Errorf("the data is in %s of the volume, and something else is removed", got)
	}
}

func TestSettings_KeepThePodsOnDifferentNodes(t *testing.T) {
	t.Parallel()
	spread := deployment(t).Spec.Template.Spec.TopologySpreadConstraints
	if len(spread) != 1 || spread[0].TopologyKey != corev1.LabelHostname || spread[0].WhenUnsatisfiable != corev1.DoNotSchedule || spread[0].MaxSkew != 1 {
		t.Errorf("the constraints are %+v", spread)
	}
}
