package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8s-await-election/k8s-await-election/internal/kube"
)

const roleKey = "example.org/role"

var labelRights = []rbacv1.PolicyRule{rule("", "pods", "get list watch patch")}

func makePod(t *testing.T, ns, name, role string) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "db"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "db", Image: "db"}}},
	}
	if role != "" {
		pod.Labels[roleKey] = role
	}
	if _, err := server.Client().CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func awaitRole(t *testing.T, ns, pod, role string) {
	t.Helper()
	eventually(t, pod+" is "+role, func() bool {
		got, err := server.Client().CoreV1().Pods(ns).Get(t.Context(), pod, metav1.GetOptions{})
		return err == nil && got.Labels[roleKey] == role && got.Labels["app"] == "db"
	})
}

// labeller labels the Pod and leads no Service.
func labeller(t *testing.T, c *kube.Client, ns, pod string, log *journal) *kube.Publisher {
	t.Helper()
	p, err := kube.NewPublisher(c, kube.PublisherOptions{
		Pod: kube.Pod{Namespace: ns, Name: pod}, Logger: log.logger(),
		Label: kube.PodLabel{Key: roleKey, Leader: "leader", Standby: "standby"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPodLabel_IsTheLeadersAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "leader") // cut off: it cannot say that it no longer leads
	makePod(t, ns, "db-1", "")
	makePod(t, ns, "db-2", "standby")
	log := &journal{}
	c := user(t, ns, labelRights...)
	p := labeller(t, c, ns, "db-1", log)
	stop := publish(t, p)
	awaitRole(t, ns, "db-1", "leader")
	awaitRole(t, ns, "db-0", "standby")
	awaitRole(t, ns, "db-2", "standby")
	if strings.Contains(log.String(), "level=WARN") {
		t.Errorf("warnings:\n%s", log)
	}
	stop()
	awaitRole(t, ns, "db-1", "leader") // left to the successor
	stop = publish(t, labeller(t, c, ns, "db-2", log))
	awaitRole(t, ns, "db-2", "leader")
	awaitRole(t, ns, "db-1", "standby")
	stop()
}

func TestPodLabel_IsTakenAwayWhereNobodyFollows(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	p := labeller(t, user(t, ns, labelRights...), ns, "db-0", &journal{})
	if err := p.Empty(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitRole(t, ns, "db-0", "") // never published
	stop := publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
	stop()
	if err := p.Empty(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitRole(t, ns, "db-0", "standby")
}

func TestPodLabel_OfAFormerContainerIsTakenBackUnlessThisOneLeads(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "leader")
	c := user(t, ns, labelRights...)
	p := labeller(t, c, ns, "db-0", &journal{})
	p.Begin(t.Context())
	awaitRole(t, ns, "db-0", "standby")
	publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
	p.Begin(t.Context())
	awaitRole(t, ns, "db-0", "leader")
}

func TestPodLabel_IsPutRightAfterSomebodyElsesChange(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	log := &journal{}
	publish(t, labeller(t, user(t, ns, labelRights...), ns, "db-0", log))
	awaitRole(t, ns, "db-0", "leader")
	_, err := server.Client().CoreV1().Pods(ns).Patch(t.Context(), "db-0", types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"`+roleKey+`":null}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is put right", func() bool { return strings.Contains(log.String(), "put right") })
	awaitRole(t, ns, "db-0", "leader")
}

func TestPodLabel_NeedsTheRightToPatchAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	log := &journal{}
	p := labeller(t, user(t, ns, rule("", "pods", "patch")), ns, "db-0", log)
	p.Begin(t.Context())
	awaitRole(t, ns, "db-0", "standby")
	publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
	eventually(t, "the rules for the rest are named", func() bool {
		return strings.Contains(log.String(), "verbs: [list]") && strings.Count(log.String(), "- {apiGroups: [''], resources: [pods]") == 2
	})
}

func TestPodLabel_RefusedIsToldAndEndsNothing(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "leader")
	log := &journal{}
	p := labeller(t, user(t, ns), ns, "db-0", log)
	p.Begin(t.Context())
	eventually(t, "the rule is named", func() bool {
		return strings.Contains(log.String(), "- {apiGroups: [''], resources: [pods], resourceNames: [db-0], verbs: [patch]}")
	})
}
