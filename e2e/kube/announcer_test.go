package kube

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/internal/kube"
)

// announce runs the announcer until the returned function is called.
func announce(t *testing.T, a *kube.Announcer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func eventsOf(t *testing.T, ns string) []corev1.Event {
	t.Helper()
	list, err := server.Client().CoreV1().Events(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestAnnouncer_WritesEventsAboutThePodWithTheRightToCreateAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	log := &journal{}
	a := kube.NewAnnouncer(user(t, ns, rule("", "events", "create")), kube.Pod{Namespace: ns, Name: "db-0", UID: "uid-0"}, log.logger())
	stop := announce(t, a)
	a.Announce("StartedLeading", "took the lease prod/db")
	eventually(t, "the event is there", func() bool { return len(eventsOf(t, ns)) == 1 })
	event := eventsOf(t, ns)[0]
	if event.Reason != "StartedLeading" || event.Message != "took the lease prod/db" || event.Type != corev1.EventTypeNormal ||
		event.InvolvedObject.Name != "db-0" || event.InvolvedObject.UID != "uid-0" || event.InvolvedObject.Kind != "Pod" ||
		event.Source.Component != "k8s-await-election" || event.LastTimestamp.IsZero() {
		t.Errorf("event %s", asJSON(t, event))
	}
	// The last word, said just before the end, is sent too.
	a.Announce("StoppedLeading", "released the lease prod/db")
	stop()
	if got := len(eventsOf(t, ns)); got != 2 || log.String() != "" {
		t.Errorf("%d events, log %q", got, log)
	}
}

// Its context ends while the first of two is on its way.
func TestAnnouncer_SendsWhatWaitsWhenItsContextHasEnded(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	answers := intercept(t)
	a := kube.NewAnnouncer(client(t, answers.Config()), kube.Pod{Namespace: ns, Name: "db-0"}, quiet())
	a.Announce("StartedLeading", "took the lease prod/db")
	a.Announce("StoppedLeading", "released the lease prod/db")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answers.Answer(func(*http.Request) http.Handler { cancel(); return nil })
	if err := a.Run(ctx); err != nil {
		t.Error(err)
	}
	if got := len(eventsOf(t, ns)); got != 2 {
		t.Errorf("%d events", got)
	}
}

func TestAnnouncer_WithoutRightsSaysSoOnceAtDebug(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	log := &journal{}
	a := kube.NewAnnouncer(user(t, ns), kube.Pod{Namespace: ns, Name: "db-0"}, log.logger())
	for range 3 {
		a.Announce("StartedLeading", "took the lease prod/db")
	}
	stop := announce(t, a)
	eventually(t, "it is refused", func() bool { return log.String() != "" })
	a.Announce("StoppedLeading", "released the lease prod/db")
	stop()
	got := strings.ReplaceAll(log.String(), `\"`, `"`)
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, `- {apiGroups: [''], resources: [events], verbs: [create]}`) {
		t.Errorf("log:\n%s", got)
	}
}

func TestAnnouncer_NeverWaits(t *testing.T) {
	t.Parallel()
	a := kube.NewAnnouncer(admin(t), kube.Pod{Namespace: "default", Name: "db-0"}, quiet())
	for range 1000 { // nobody sends them
		a.Announce("StartedLeading", "took the lease prod/db")
	}
}

func TestAnnouncer_AnnouncesNothingWithoutAPodsName(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	a := kube.NewAnnouncer(admin(t), kube.Pod{Namespace: ns}, quiet())
	a.Announce("StartedLeading", "took the lease prod/db")
	announce(t, a)()
	if got := eventsOf(t, ns); len(got) != 0 {
		t.Errorf("events %s", asJSON(t, got))
	}
}
