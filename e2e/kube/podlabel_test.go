package kube

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
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
		pod.Annotations = map[string]string{"k8s-await-election/lock": "lease " + ns + "/db"}
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
		Label: kube.PodLabel{Key: roleKey, Leader: "leader", Standby: "standby"}, Lock: "lease " + ns + "/db",
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

// Who follows replaces the slice in one write, but may not list Pods.
func TestPodLabel_IsTakenAwayWhereSomebodyFollowsAndTheSliceIsNot(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	serviceOf(t, ns)
	makePod(t, ns, "db-0", "")
	log := &journal{}
	p, err := kube.NewPublisher(user(t, ns, append(labelRights, sliceRights...)...), kube.PublisherOptions{
		Namespace: ns, Service: "db", Ports: []kube.Port{{Name: "sql", Port: 5432, Protocol: "TCP"}},
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7")}, Mode: kube.PublishSlices,
		Pod: kube.Pod{Namespace: ns, Name: "db-0"}, Logger: log.logger(),
		Label: kube.PodLabel{Key: roleKey, Leader: "leader", Standby: "standby"}, Lock: "lease " + ns + "/db",
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := publish(t, p)
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	awaitRole(t, ns, "db-0", "leader")
	stop()
	if err := p.Empty(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	awaitRole(t, ns, "db-0", "standby")
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	if err := p.Empty(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if left := getSlice(t, ns, "db-ipv4"); len(left.Endpoints) > 0 {
		t.Errorf("the slice leads to %v", left.Endpoints)
	}
}

func TestPodLabel_IsTakenAwayWhereNobodyFollows(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	p := labeller(t, user(t, ns, labelRights...), ns, "db-0", &journal{})
	if err := p.Empty(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	awaitRole(t, ns, "db-0", "") // never published
	stop := publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
	stop()
	if err := p.Empty(t.Context(), false); err != nil {
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
	look(t, p)
	awaitRole(t, ns, "db-0", "standby")
	publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
}

// A partition: the label cannot be taken off at the time.
func TestPodLabel_IsTakenAwayLaterWhereThatFailed(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "standby")
	answers := intercept(t)
	var failing atomic.Bool
	answers.Answer(func(r *http.Request) http.Handler {
		if failing.Load() && r.Method == http.MethodPatch {
			return faultproxy.Status(http.StatusInternalServerError, "InternalError", "etcdserver: request timed out")
		}
		return nil
	})
	log := &journal{}
	p := labeller(t, client(t, answers.Config()), ns, "db-0", log)
	look(t, p)
	stop := publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
	stop()
	failing.Store(true)
	if err := p.Empty(t.Context(), false); err == nil {
		t.Error("it did not fail")
	}
	eventually(t, "it is tried again", func() bool { return strings.Count(log.String(), "publishing did not succeed") > 1 })
	failing.Store(false)
	awaitRole(t, ns, "db-0", "standby")
}

func TestPodLabel_LeavesThePodsOfOtherElectionsAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "web-0", "leader")
	makePod(t, ns, "db-0", "leader")
	makePod(t, ns, "db-1", "standby")
	_, err := server.Client().CoreV1().Pods(ns).Patch(t.Context(), "web-0", types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"k8s-await-election/lock":"lease `+ns+`/web"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, labeller(t, user(t, ns, labelRights...), ns, "db-1", &journal{}))
	awaitRole(t, ns, "db-0", "standby") // the others are through then, in one list
	awaitRole(t, ns, "web-0", "leader")
}

// A kubelet writes to a Pod that ends all the time.
func TestPodLabel_IsTakenOffAPodThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "leader")
	makePod(t, ns, "db-1", "standby")
	answers := intercept(t)
	var conflicts atomic.Int32
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/db-0") && conflicts.Add(1) <= 3 {
			return faultproxy.Status(http.StatusConflict, "Conflict", "the object has been modified")
		}
		return nil
	})
	publish(t, labeller(t, client(t, answers.Config()), ns, "db-1", &journal{}))
	awaitRole(t, ns, "db-0", "standby")
}

// look has the publisher look after the label until the test ends.
func look(t *testing.T, p *kube.Publisher) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
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

// Nobody else takes it off where nobody may list Pods.
func TestPodLabel_OfAStandbyIsPutRightToo(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	log := &journal{}
	look(t, labeller(t, user(t, ns, rule("", "pods", "get watch patch")), ns, "db-0", log))
	awaitRole(t, ns, "db-0", "standby")
	editRole(t, ns, "db-0", "leader")
	eventually(t, "it is put right", func() bool { return strings.Contains(log.String(), "put right after") })
	awaitRole(t, ns, "db-0", "standby")
}

// This takes half a minute: so long may it last where nobody may watch.
func TestPodLabel_IsPutRightInTheEndWithoutTheRightToWatch(t *testing.T) {
	t.Parallel()
	for name, leads := range map[string]bool{"leader": true, "standby": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			makePod(t, ns, "db-0", "")
			log := &journal{}
			p := labeller(t, user(t, ns, rule("", "pods", "patch")), ns, "db-0", log)
			look(t, p)
			awaitRole(t, ns, "db-0", "standby")
			if leads {
				publish(t, p)
				awaitRole(t, ns, "db-0", "leader")
			}
			eventually(t, "it is told", func() bool { return strings.Contains(log.String(), "put right late") })
			editRole(t, ns, "db-0", "other")
			awaitRole(t, ns, "db-0", name)
		})
	}
}

func TestPodLabel_OfAPodThatIsNotThereIsToldOnceWithARemedy(t *testing.T) {
	t.Parallel()
	for name, guessed := range map[string]bool{"told": false, "guessed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			log := &journal{}
			p, err := kube.NewPublisher(user(t, ns, labelRights...), kube.PublisherOptions{
				Pod: kube.Pod{Namespace: ns, Name: "db-7"}, PodGuessed: guessed, Logger: log.logger(),
				Label: kube.PodLabel{Key: roleKey, Leader: "leader", Standby: "standby"}, Lock: "lease " + ns + "/db",
			})
			if err != nil {
				t.Fatal(err)
			}
			look(t, p)
			eventually(t, "it is told", func() bool {
				return strings.Contains(log.String(), `pods \"db-7\" not found`) && strings.Contains(log.String(), "metadata.name")
			})
			if warned := strings.Contains(log.String(), "level=WARN"); warned == guessed {
				t.Errorf("warned: %v\n%s", warned, log)
			}
			leading, stop := context.WithCancel(t.Context())
			var published sync.WaitGroup
			published.Go(func() { p.Publish(leading) })
			eventually(t, "it is tried standing by and leading", func() bool { return strings.Count(log.String(), "publishing did not succeed") > 1 })
			if err := p.Empty(t.Context(), false); (err == nil) != guessed {
				t.Errorf("emptying: %v", err)
			}
			stop()
			published.Wait()
		})
	}
}

// A second emptying waits for the first: after it the lock is released.
func TestPodLabel_IsEmptyForWhoeverAsks(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	answers := intercept(t)
	p := labeller(t, client(t, answers.Config()), ns, "db-0", &journal{})
	stop := publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
	stop()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method == http.MethodPatch && held.CompareAndSwap(false, true) {
			close(arrived)
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				<-goOn
				panic(http.ErrAbortHandler)
			})
		}
		return nil
	})
	var first sync.WaitGroup
	first.Go(func() { _ = p.Empty(t.Context(), false) })
	<-arrived
	second := make(chan error, 1)
	go func() { second <- p.Empty(t.Context(), false) }()
	close(goOn)
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	awaitRole(t, ns, "db-0", "standby")
	first.Wait()
}

func editRole(t *testing.T, ns, pod, role string) {
	t.Helper()
	_, err := server.Client().CoreV1().Pods(ns).Patch(t.Context(), pod, types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"`+roleKey+`":"`+role+`"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPodLabel_NeedsTheRightToPatchAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	log := &journal{}
	p := labeller(t, user(t, ns, rule("", "pods", "patch")), ns, "db-0", log)
	look(t, p)
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
	look(t, p)
	eventually(t, "the rule is named", func() bool {
		return strings.Contains(log.String(), "- {apiGroups: [''], resources: [pods], resourceNames: [db-0], verbs: [patch]}")
	})
}

// heldUp is a request that somebody on the way keeps, and delivers when whoever sent
// it has long given it up.
type heldUp struct {
	// arrived is closed when it is there.
	arrived chan struct{}
	body    []byte
}

// holdUp keeps the first write of this role.
func holdUp(t *testing.T, answers *faultproxy.Answers, role string) *heldUp {
	t.Helper()
	held := &heldUp{arrived: make(chan struct{})}
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method != http.MethodPatch || held.body != nil {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !strings.Contains(string(body), `"`+roleKey+`":"`+role+`"`) {
			return nil
		}
		held.body = body
		close(held.arrived)
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	})
	return held
}

func (h *heldUp) await(t *testing.T) {
	t.Helper()
	eventually(t, "the request has arrived", func() bool {
		select {
		case <-h.arrived:
			return true
		default:
			return false
		}
	})
}

// land delivers it. It must not take effect.
func (h *heldUp) land(t *testing.T, ns, pod string) {
	t.Helper()
	_, err := server.Client().CoreV1().Pods(ns).Patch(t.Context(), pod, types.MergePatchType, h.body, metav1.PatchOptions{FieldManager: "k8s-await-election"})
	if !apierrors.IsConflict(err) {
		t.Errorf("the late request is answered %v, not that the Pod has changed", err)
	}
}

func TestPodLabel_IsNotSetByARequestThatArrivesWhenItHasBeenTakenAway(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"of a Pod without": "", "of a standby": "standby", "of a former leader": "leader"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			makePod(t, ns, "db-0", before)
			answers := intercept(t)
			held := holdUp(t, answers, "leader")
			p := labeller(t, client(t, answers.Config()), ns, "db-0", &journal{})
			stop := publish(t, p)
			held.await(t)
			stop()
			if err := p.Empty(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			held.land(t, ns, "db-0")
			awaitRole(t, ns, "db-0", "standby")
		})
	}
}

func TestPodLabel_IsNotTakenAwayByARequestThatArrivesWhenItLeads(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	answers := intercept(t)
	held := holdUp(t, answers, "standby")
	p := labeller(t, client(t, answers.Config()), ns, "db-0", &journal{})
	look(t, p)
	held.await(t)
	publish(t, p)
	awaitRole(t, ns, "db-0", "leader")
	held.land(t, ns, "db-0")
	awaitRole(t, ns, "db-0", "leader")
}

// The label is as it should be when the next container looks at it.
func TestPodLabel_IsNotSetByALateRequestOfAFormerContainer(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "standby")
	answers := intercept(t)
	held := holdUp(t, answers, "leader")
	c := client(t, answers.Config())
	stop := publish(t, labeller(t, c, ns, "db-0", &journal{}))
	held.await(t)
	stop() // it is killed
	log := &journal{}
	look(t, labeller(t, c, ns, "db-0", log))
	eventually(t, "the next one has looked", func() bool { return strings.Contains(log.String(), "the Pod is labelled") })
	held.land(t, ns, "db-0")
	awaitRole(t, ns, "db-0", "standby")
}

// What it was told last is still so, and it writes nothing.
func TestPodLabel_ThatIsRightIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	log := &journal{}
	p := labeller(t, user(t, ns, labelRights...), ns, "db-0", log)
	revision := func() string {
		got, err := server.Client().CoreV1().Pods(ns).Get(t.Context(), "db-0", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return got.ResourceVersion
	}
	labels := func(times int) {
		t.Helper()
		stop := publish(t, p)
		eventually(t, "it is labelled", func() bool { return strings.Count(log.String(), "the Pod is labelled") == times })
		stop()
	}
	labels(1)
	before := revision()
	labels(2)
	if now := revision(); now != before {
		t.Errorf("the Pod's revision is %s, and was %s", now, before)
	}
}

// Its kubelet writes between the look at the Pod and the write of the label.
func TestPodLabel_IsSetOnAPodThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "")
	answers := intercept(t)
	changes := 0
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method != http.MethodPatch {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.Contains(string(body), "resourceVersion") && changes < 3 {
			changes++
			_, err := server.Client().CoreV1().Pods(ns).Patch(t.Context(), "db-0", types.MergePatchType,
				[]byte(`{"metadata":{"annotations":{"changes":"`+strings.Repeat("I", changes)+`"}}}`), metav1.PatchOptions{})
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	log := &journal{}
	publish(t, labeller(t, client(t, answers.Config()), ns, "db-0", log))
	awaitRole(t, ns, "db-0", "leader")
	if strings.Contains(log.String(), "did not succeed") {
		t.Errorf("it makes a fuss of it:\n%s", log)
	}
}

// Whoever has it set back is not answered in a hot loop.
func TestPodLabel_ThatCannotBeTakenOffAnotherPodIsTriedAgainAtLeisure(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makePod(t, ns, "db-0", "leader")
	makePod(t, ns, "db-1", "standby")
	answers := intercept(t)
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/db-0") {
			return faultproxy.Status(http.StatusConflict, "Conflict", "the object has been modified")
		}
		return nil
	})
	log := &journal{}
	publish(t, labeller(t, client(t, answers.Config()), ns, "db-1", log))
	awaitRole(t, ns, "db-1", "leader")
	eventually(t, "it is told", func() bool {
		return strings.Contains(log.String(), "off pod "+ns+"/db-0: something keeps putting it back") && strings.Contains(log.String(), "next_try_in=200ms")
	})
	answers.Answer(nil)
	awaitRole(t, ns, "db-0", "standby")
}
