package examples

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

// root is the repository.
var root = filepath.Join("..", "..")

// example is one way to run one application.
type example struct {
	name string
	// app is the application's name, which is that of its objects too.
	app string
	// level is the Pod Security Standard that its Pods meet.
	level string
	// make is what a user does to get the objects.
	make func(*testing.T) []byte
}

// examples are all that people may copy, with the gate before the application.
var examples = []example{
	{"redis by manifests", "redis", "baseline", file("redis/manifests.yaml")},
	{"redis by the component", "redis", "restricted", kustomization("redis/kustomize")},
	{"redis by the chart", "redis", "baseline", chart("redis", "redis/values.yaml")},
	{"redis by the chart, not root", "redis", "restricted", chart("redis", "redis/values.yaml", "redis/values-nonroot.yaml")},
	{"nginx by manifests", "nginx", "baseline", file("nginx/manifests.yaml")},
	{"nginx by the component", "nginx", "restricted", kustomization("nginx/kustomize")},
	{"nginx by the chart", "nginx", "baseline", chart("nginx", "nginx/values.yaml")},
	{"nginx by the chart, not root", "nginx", "restricted", chart("nginx", "nginx/values.yaml", "nginx/values-nonroot.yaml")},
	{"the recorder by the chart", "recorder", "restricted", chart("recorder", "recorder/values.yaml")},
}

// sidecars are likewise all, with the program beside the application or alone.
var sidecars = []example{
	{"a script by manifests", "worker", "restricted", file("sidecar-http/manifests.yaml")},
	{"a script by the chart", "worker", "restricted", chart("worker", "sidecar-http/values.yaml")},
	{"a sidecar alone", "elector", "restricted", file("sidecar-http/alone.yaml")},
	{"a script and a directory by manifests", "janitor", "restricted", file("sidecar-file/manifests.yaml")},
	{"a script and a file by the chart", "janitor", "restricted", chart("janitor", "sidecar-file/values.yaml")},
	{"a label by manifests", "front", "restricted", file("role-label-service/manifests.yaml")},
	{"a label by the chart", "front", "restricted", chart("front", "role-label-service/values.yaml")},
}

// each runs a test for each of the examples.
func each(t *testing.T, of []example, test func(*testing.T, example)) {
	t.Helper()
	for _, e := range of {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// path is that of a file below the folder examples.
func path(name string) string { return filepath.Join(root, "examples", filepath.FromSlash(name)) }

// file is for kubectl apply -f.
func file(name string) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		t.Helper()
		text, err := os.ReadFile(path(name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// kustomization is for kubectl apply -k.
func kustomization(name string) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		t.Helper()
		text, err := build(path(name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// build is kubectl kustomize.
func build(folder string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	return built.AsYaml()
}

// chart is for helm install RELEASE with values files.
func chart(release string, files ...string) func(*testing.T) []byte {
	return chartWith(nil, release, files...)
}

// chartWith is the same with options --set.
func chartWith(set []string, release string, files ...string) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		t.Helper()
		install := action.NewInstall(&action.Configuration{Log: t.Logf})
		install.ClientOnly, install.DryRun = true, true
		install.ReleaseName, install.Namespace = release, "default"
		version, err := chartutil.ParseKubeVersion(apiserver.Version)
		if err != nil {
			t.Fatal(err)
		}
		install.KubeVersion = version
		loaded, err := loader.LoadDir(filepath.Join(root, "charts", "k8s-await-election"))
		if err != nil {
			t.Fatal(err)
		}
		options := values.Options{Values: set}
		for _, name := range files {
			options.ValueFiles = append(options.ValueFiles, path(name))
		}
		given, err := options.MergeValues(nil)
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := install.Run(loaded, given)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(rendered.Manifest)
	}
}

// object is one object in both forms.
type object struct {
	*unstructured.Unstructured
	typed runtime.Object
}

// strict refuses fields that a kind does not have, and keys that come twice.
var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// objects decodes every document of a text.
func objects(t *testing.T, text []byte) []object {
	t.Helper()
	var all []object
	for documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var content map[string]any
		if err := yaml.Unmarshal(document, &content); err != nil {
			t.Fatal(err)
		}
		if len(content) == 0 {
			continue // comments alone
		}
		typed, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		all = append(all, object{Unstructured: &unstructured.Unstructured{Object: content}, typed: typed})
	}
}

// only is the one object of a type.
func only[T runtime.Object](t *testing.T, all []object) T {
	t.Helper()
	var found []T
	for _, o := range all {
		if typed, is := o.typed.(T); is {
			found = append(found, typed)
		}
	}
	if len(found) != 1 {
		var none T
		t.Fatalf("%d objects of the type %T, want 1", len(found), none)
	}
	return found[0]
}

// placed replaces the namespace for which the chart was rendered.
func placed(all []object, namespace string) {
	for _, o := range all {
		if o.GetNamespace() != "" {
			o.SetNamespace(namespace)
		}
		subjects, _, _ := unstructured.NestedSlice(o.Object, "subjects")
		for _, subject := range subjects {
			if s, is := subject.(map[string]any); is && s["namespace"] != nil {
				s["namespace"] = namespace
			}
		}
		if len(subjects) > 0 {
			_ = unstructured.SetNestedSlice(o.Object, subjects, "subjects")
		}
	}
}
