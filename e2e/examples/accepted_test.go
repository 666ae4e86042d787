package examples

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// newNamespace makes one that enforces a Pod Security Standard.
func newNamespace(t *testing.T, level string) string {
	t.Helper()
	namespace, err := server.Client().CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "examples-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": level},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// apply applies the objects as kubectl apply --server-side does.
func apply(t *testing.T, namespace string, all []object, dryRun ...string) {
	t.Helper()
	finder, err := discovery.NewDiscoveryClientForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(finder)
	if err != nil {
		t.Fatal(err)
	}
	places := restmapper.NewDiscoveryRESTMapper(groups)
	client, err := dynamic.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	placed(all, namespace)
	for _, o := range all {
		kind := o.GroupVersionKind()
		place, err := places.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			t.Fatal(err)
		}
		var resource dynamic.ResourceInterface = client.Resource(place.Resource)
		if place.Scope.Name() == "namespace" {
			resource = client.Resource(place.Resource).Namespace(namespace)
		}
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		_, err = resource.Patch(t.Context(), o.GetName(), types.ApplyPatchType, text,
			metav1.PatchOptions{FieldManager: "test", DryRun: dryRun, FieldValidation: metav1.FieldValidationStrict})
		if err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
}

func TestExamples_AreAcceptedByTheAPIServer(t *testing.T) {
	t.Parallel()
	each(t, slices.Concat(examples, sidecars), func(t *testing.T, e example) {
		all := objects(t, e.make(t))
		namespace := newNamespace(t, e.level)
		apply(t, namespace, all)
		// Pod Security is enforced on Pods alone.
		template := only[*appsv1.Deployment](t, all).Spec.Template
		pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.GenerateName = "pod-"
		if _, err := server.Client().CoreV1().Pods(namespace).Create(t.Context(), pod,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
			t.Errorf("its Pod under %s: %v", e.level, err)
		}
	})
}

func TestVolumes_AreAcceptedByTheAPIServerAndMounted(t *testing.T) {
	t.Parallel()
	// What the README of redis has beside its values file.
	image := []string{"app.image.repository=redis", "app.command={redis-server}"}
	for app, make := range map[string]func(*testing.T) []byte{
		"recorder": chart("recorder", "recorder/values.yaml"),
		"redis":    chartWith(image, "redis", "redis/values-volume.yaml"),
	} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			volume := objects(t, file(app+"/volume.yaml")(t))
			apply(t, newNamespace(t, "privileged"), volume, metav1.DryRunAll)
			claim := only[*corev1.PersistentVolumeClaim](t, volume)
			all := objects(t, make(t))
			apply(t, newNamespace(t, "baseline"), all, metav1.DryRunAll)
			if !slices.ContainsFunc(only[*appsv1.Deployment](t, all).Spec.Template.Spec.Volumes, func(v corev1.Volume) bool {
				return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim.Name
			}) {
				t.Errorf("its Pods do not mount the claim %s", claim.Name)
			}
		})
	}
}

func TestRecorder_HasAReaderThatTheAPIServerAccepts(t *testing.T) {
	t.Parallel()
	apply(t, newNamespace(t, "privileged"), objects(t, file("recorder/reader.yaml")(t)), metav1.DryRunAll)
}

// ours is the image of gate and sidecar.
const ours = "localhost/k8s-await-election:latest"

// isNative tells whether an init container goes on.
func isNative(c corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// elected is the container that stands for election: the gate's, or the sidecar.
func elected(t *testing.T, pod corev1.PodSpec) corev1.Container {
	t.Helper()
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		gated := len(c.Command) > 0 && strings.HasSuffix(c.Command[0], "/k8s-await-election")
		if gated || c.Image == ours && !slices.Contains(c.Args, "--install") {
			return c
		}
	}
	t.Fatal("no container stands for election")
	return corev1.Container{}
}
