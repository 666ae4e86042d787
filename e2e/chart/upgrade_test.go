package chart

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// eachHelm runs a test with both versions, each in a namespace of its own.
func eachHelm(t *testing.T, check func(*testing.T, helm, input)) {
	t.Helper()
	t.Parallel()
	for name, h := range helms(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, h, input{namespace: newNamespace(t, "baseline"), set: append(slices.Clone(twoValues), "app.ports.redis=6379")})
		})
	}
}

func (in input) and(set ...string) input {
	in.set = append(slices.Clone(in.set), set...)
	return in
}

// must fails the test where Helm refuses.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustRefuse wants a sentence about the key, with the words.
func mustRefuse(t *testing.T, err error, key string, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("upgraded")
	}
	said := ""
	for line := range strings.Lines(err.Error()) {
		if strings.HasPrefix(strings.TrimPrefix(line, "- "), key+":") {
			said += line
		}
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("want a sentence about %s that says %q, got %v", key, word, err)
		}
	}
}

// scaleToZero is what kubectl scale does, and what the controller would then.
func scaleToZero(t *testing.T, namespace, name string) {
	t.Helper()
	scale(t, namespace, name, 0)
	setStatus(t, namespace, name, 0)
}

func scale(t *testing.T, namespace, name string, replicas int32) {
	t.Helper()
	if _, err := server.Client().AppsV1().Deployments(namespace).UpdateScale(t.Context(), name, &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: replicas},
	}, metav1.UpdateOptions{FieldManager: "kubectl"}); err != nil {
		t.Fatal(err)
	}
}

func setStatus(t *testing.T, namespace, name string, replicas int32) {
	t.Helper()
	client := server.Client().AppsV1().Deployments(namespace)
	d, err := client.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.Status = appsv1.DeploymentStatus{Replicas: replicas}
	if _, err := client.UpdateStatus(t.Context(), d, metav1.UpdateOptions{FieldManager: "kube-controller-manager"}); err != nil {
		t.Fatal(err)
	}
}

// Pods of the old Lease and Pods of the new one would lead at the same time.
func TestUpgrade_ToAnotherLeaseIsRefusedWhilePodsLeadByTheOldOne(t *testing.T) {
	eachHelm(t, func(t *testing.T, h helm, in input) {
		must(t, h.install(in))
		end := fmt.Sprintf("Example: kubectl -n %s scale deployment/shop --replicas=0 && kubectl -n %[1]s wait pod -l app.kubernetes.io/instance=shop,app.kubernetes.io/name=k8s-await-election --for=delete", in.namespace)
		for _, set := range [][]string{
			{"election.leaseName=other"}, {"fullnameOverride=other"}, {"nameOverride=other"}, {"kind=StatefulSet", "fullnameOverride=other"},
		} {
			mustRefuse(t, h.upgrade(in.and(set...)), "election.leaseName", `"shop"`, `other"`, end)
		}
		// The same Lease under whatever name.
		must(t, h.upgrade(in.and("app.image.tag=2", "election.leaseName=shop")))

		scaleToZero(t, in.namespace, "shop")
		setStatus(t, in.namespace, "shop", 1)
		other := in.and("election.leaseName=other")
		mustRefuse(t, h.upgrade(other), "election.leaseName", "other")
		setStatus(t, in.namespace, "shop", 0)
		// One that is about to end is in no status.
		pods := server.Client().CoreV1().Pods(in.namespace)
		pod := workloadOf(t, render(t, in)).pod(in.namespace)
		if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, h.upgrade(other), "election.leaseName", "other")
		now := int64(0)
		if err := pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			t.Fatal(err)
		}
		must(t, h.force(other))
		mustRefuse(t, h.upgrade(in), "election.leaseName", `"other"`, `"shop"`)
	})
}

// What is about another release, or another chart, is not looked at.
func TestUpgrade_LooksAtItsOwnWorkloadAlone(t *testing.T) {
	eachHelm(t, func(t *testing.T, h helm, in input) {
		other := in.and("app.image.tag=9")
		other.release = "other"
		must(t, h.install(other))
		must(t, h.install(in))
		theirs := workloadOf(t, render(t, in.and("fullnameOverride=theirs")))
		if _, err := server.Client().AppsV1().Deployments(in.namespace).Create(t.Context(), &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{
				"app.kubernetes.io/instance": "shop", "helm.sh/chart": "k8s-await-election-of-theirs-1.0.0",
			}},
			Spec: appsv1.DeploymentSpec{Selector: theirs.selector, Template: theirs.template},
		}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		must(t, h.upgrade(in.and("app.image.tag=2")))
	})
}

// A slice of the other mode would stay, and lead clients to an address that nobody
// keeps.
func TestUpgrade_ToAnotherModeOfTheServiceIsRefusedUntilTheServiceIsGone(t *testing.T) {
	eachHelm(t, func(t *testing.T, h helm, in input) {
		must(t, h.install(in))
		remove := fmt.Sprintf("Example: kubectl -n %s delete service shop", in.namespace)
		services := server.Client().CoreV1().Services(in.namespace)
		gone := func() {
			if err := services.Delete(t.Context(), "shop", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		labels := in.and("service.mode=podLabel")
		mustRefuse(t, h.upgrade(labels), "service.mode", remove, "scale deployment/shop --replicas=0")
		gone()
		mustRefuse(t, h.upgrade(labels), "service.mode", "write them again", "scale deployment/shop --replicas=0")
		scaleToZero(t, in.namespace, "shop")
		must(t, h.force(labels))
		must(t, h.upgrade(labels.and("app.image.tag=2")))

		mustRefuse(t, h.upgrade(in), "service.mode", remove)
		gone()
		must(t, h.upgrade(in))
		service, err := services.Get(t.Context(), "shop", metav1.GetOptions{})
		if err != nil || len(service.Spec.Selector) > 0 {
			t.Errorf("the Service selects %v: %v", service.Spec.Selector, err)
		}
	})
}

func replicas(t *testing.T, namespace string) int32 {
	t.Helper()
	d, err := server.Client().AppsV1().Deployments(namespace).Get(t.Context(), "shop", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *d.Spec.Replicas
}

// What the README says of them.
func TestReplicas_ThatAreNullAreOneUntilSomebodyScales(t *testing.T) {
	eachHelm(t, func(t *testing.T, h helm, in input) {
		must(t, h.install(in))
		must(t, h.upgrade(in.and("replicas=null")))
		if got := replicas(t, in.namespace); got != 1 {
			t.Errorf("2 becomes null, and there are to be %d", got)
		}
		scale(t, in.namespace, "shop", 5)
		must(t, h.upgrade(in.and("replicas=null", "app.image.tag=2")))
		if got := replicas(t, in.namespace); got != 5 {
			t.Errorf("an upgrade scales 5 to %d", got)
		}
	})
}

func TestReplicas_ThatAreANumberAreSetAgain(t *testing.T) {
	eachHelm(t, func(t *testing.T, h helm, in input) {
		must(t, h.install(in))
		scale(t, in.namespace, "shop", 5)
		if _, is := h.(helm4); is {
			if err := h.upgrade(in); err == nil || !strings.Contains(err.Error(), "conflict") || !strings.Contains(err.Error(), ".spec.replicas") {
				t.Errorf("want a conflict on .spec.replicas, got %v", err)
			}
		}
		must(t, h.force(in))
		if got := replicas(t, in.namespace); got != 2 {
			t.Errorf("there are to be %d", got)
		}
	})
}

func TestHeadless_IsOfANewServiceAlone(t *testing.T) {
	eachHelm(t, func(t *testing.T, h helm, in input) {
		must(t, h.install(in))
		if err := h.upgrade(in.and("service.headless=true")); err == nil || !strings.Contains(err.Error(), "may not change once set") {
			t.Errorf("the README says that it is refused: %v", err)
		}
	})
}
