package chart

import (
	"context"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// mapper knows where the API server keeps each kind.
var mapper = sync.OnceValues(func() (meta.RESTMapper, error) {
	finder, err := discovery.NewDiscoveryClientForConfig(server.Config())
	if err != nil {
		return nil, err
	}
	groups, err := restmapper.GetAPIGroupResources(finder)
	if err != nil {
		return nil, err
	}
	return restmapper.NewDiscoveryRESTMapper(groups), nil
})

// warnings notes what the API server warns of.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

// newNamespace makes one that enforces a Pod Security Standard. It has the label
// from its beginning: the admission plugin sees changes late.
func newNamespace(t *testing.T, level string) string {
	t.Helper()
	ns, err := server.Client().CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "chart-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": level},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// apply applies an object to its namespace as Helm 4 does, or pretends to.
func apply(ctx context.Context, config *rest.Config, o object, namespace string, dryRun bool) error {
	places, err := mapper()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	kind := o.GroupVersionKind()
	place, err := places.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	text, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: "helm", FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	_, err = client.Resource(place.Resource).Namespace(namespace).Patch(ctx, o.GetName(), types.ApplyPatchType, text, options)
	return err
}

// isServed tells whether the API server of the tests has the kind.
func isServed(o object) bool { return o.GroupVersionKind().Group != monitoring }

func TestServer_TakesAllObjectsWithoutAWarning(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, row row, _ *rendering) {
		level := "baseline"
		if row.restricted {
			level = "restricted"
		}
		in := row.input
		in.namespace = newNamespace(t, level)
		r := render(t, in)
		warned := &warnings{}
		config := server.Config()
		config.WarningHandler = warned
		for _, o := range r.objects {
			if !isServed(o) {
				continue
			}
			if err := apply(t.Context(), config, o, in.namespace, true); err != nil {
				t.Errorf("%s: %v", o, err)
			}
		}
		// Pod Security admission only warns of a workload; it refuses its Pods.
		pod := workloadOf(t, r).pod(in.namespace)
		addPriorityClass(t, pod.Spec.PriorityClassName)
		if class := pod.Spec.RuntimeClassName; class != nil {
			addRuntimeClass(t, *class)
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.CoreV1().Pods(in.namespace).Create(t.Context(), pod, metav1.CreateOptions{
			DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
		}); err != nil {
			t.Errorf("Pod: %v", err)
		}
		if len(warned.said) > 0 {
			t.Errorf("warnings:\n%s", strings.Join(warned.said, "\n"))
		}
	})
}

// addPriorityClass makes a class, without which Pods of it are refused.
func addPriorityClass(t *testing.T, name string) {
	t.Helper()
	if name == "" {
		return
	}
	_, err := server.Client().SchedulingV1().PriorityClasses().Create(t.Context(),
		&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: 1000}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// addRuntimeClass does the same for a runtime class.
func addRuntimeClass(t *testing.T, name string) {
	t.Helper()
	_, err := server.Client().NodeV1().RuntimeClasses().Create(t.Context(),
		&nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Handler: "runc"}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// The dry runs above would prove nothing about Pod Security if it were not
// enforced.
func TestServer_RefusesAPodThatIsNotRestrictedWhereThatIsEnforced(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t, "restricted")
	pod := workloadOf(t, render(t, input{set: twoValues})).pod(ns)
	_, err := server.Client().CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
		t.Errorf("got %v", err)
	}
}
