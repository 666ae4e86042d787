package chart

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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
)

// folder is the chart.
var folder = filepath.Join("..", "..", "charts", "k8s-await-election")

// namespace is where everything is installed that no API server sees.
const namespace = "prod"

// input is what somebody gives to helm install.
type input struct {
	// release is the name; empty: shop.
	release string
	// files are --values, yaml the text of one more such file, behind them.
	files []string
	yaml  string
	// set, setString and setJSON are the options of these names, as typed.
	set, setString, setJSON []string
	// kube is the version of the cluster; empty: that of the tests' API server.
	kube string
	// namespace is where to install; empty: namespace.
	namespace string
}

// rendering is what Helm makes of an input.
type rendering struct {
	input input
	// manifest is the text that Helm sends, without hooks.
	manifest string
	notes    string
	// objects are all, the hooks behind the others.
	objects []object
}

// object is one rendered object, in both forms.
type object struct {
	*unstructured.Unstructured
	typed runtime.Object
	hook  bool
}

// render renders the chart. What Helm refuses fails the test.
func render(t *testing.T, in input) *rendering {
	t.Helper()
	r, err := tryRender(t, in)
	if err != nil {
		t.Fatalf("helm refuses: %v", err)
	}
	return r
}

// tryRender returns what Helm says where it refuses. An object that is none of
// its kind fails the test.
func tryRender(t *testing.T, in input) (*rendering, error) {
	t.Helper()
	install := action.NewInstall(&action.Configuration{Log: t.Logf})
	install.ClientOnly, install.DryRun = true, true
	install.ReleaseName, install.Namespace = releaseOf(in), namespaceOf(in)
	version, err := chartutil.ParseKubeVersion(orElse(in.kube, kubeVersion))
	if err != nil {
		t.Fatal(err)
	}
	install.KubeVersion = version
	// Loaded each time: Helm writes into it.
	c, err := loader.LoadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	given, err := valuesOf(t, in)
	if err != nil {
		return nil, err
	}
	release, err := install.Run(c, given)
	if err != nil {
		return nil, err
	}
	r := &rendering{input: in, manifest: release.Manifest, notes: release.Info.Notes}
	r.add(t, release.Manifest, false)
	for _, hook := range release.Hooks {
		r.add(t, hook.Manifest, true)
	}
	return r, nil
}

// valuesOf are the values as helm merges them from its options.
func valuesOf(t *testing.T, in input) (map[string]any, error) {
	t.Helper()
	files := in.files
	if in.yaml != "" {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(in.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files[:len(files):len(files)], file)
	}
	options := values.Options{ValueFiles: files, Values: in.set, StringValues: in.setString, JSONValues: in.setJSON}
	return options.MergeValues(nil)
}

func releaseOf(in input) string { return orElse(in.release, "shop") }

func namespaceOf(in input) string { return orElse(in.namespace, namespace) }

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// decoder refuses fields that a kind does not have, and keys that come twice.
var decoder = serializer.NewCodecFactory(kinds(), serializer.EnableStrict).UniversalDeserializer()

// kinds are those that the chart may have.
func kinds() *runtime.Scheme {
	all := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, addPodMonitor} {
		if err := add(all); err != nil {
			panic(err)
		}
	}
	return all
}

func (r *rendering) add(t *testing.T, text string, hook bool) {
	t.Helper()
	documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if isComment(document) {
			continue
		}
		typed, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Errorf("not an object that the API knows: %v\n%s", err, document)
			continue
		}
		o := object{Unstructured: &unstructured.Unstructured{}, typed: typed, hook: hook}
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			t.Fatal(err)
		}
		r.objects = append(r.objects, o)
	}
}

// isComment tells whether a document says nothing.
func isComment(document []byte) bool {
	for line := range bytes.Lines(document) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

// all are the objects of a type, hooks included.
func all[T runtime.Object](r *rendering) []T {
	var found []T
	for _, o := range r.objects {
		if typed, is := o.typed.(T); is {
			found = append(found, typed)
		}
	}
	return found
}

// only is the one object of a type.
func only[T runtime.Object](t *testing.T, r *rendering) T {
	t.Helper()
	found := all[T](r)
	if len(found) != 1 {
		var none T
		t.Fatalf("%d objects of the type %T, want 1", len(found), none)
	}
	return found[0]
}

func (o object) String() string { return fmt.Sprintf("%s %s", o.GetKind(), o.GetName()) }
