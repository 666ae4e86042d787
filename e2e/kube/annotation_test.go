package kube

import (
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/kube"
)

// The locks in an annotation, by the resource's name.
var annotationLocks = map[string]func(*kube.Client, string) elector.Lock{
	"configmaps": func(c *kube.Client, ns string) elector.Lock { return c.ConfigMap(ns, "db") },
	"endpoints":  func(c *kube.Client, ns string) elector.Lock { return c.Endpoints(ns, "db") },
}

func TestAnnotationLock_IsCreatedUpdatedWatchedAndConflictsAsALeaseDoes(t *testing.T) {
	t.Parallel()
	for resource, open := range annotationLocks {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			lock := open(user(t, ns, rule("", resource, "get watch update", "db"), rule("", resource, "create")), ns)
			seen, ended := watch(t, lock)
			if next(t, seen, ended).Exists || read(t, lock).Exists {
				t.Fatal("an absent lock exists")
			}
			to := record("a")
			to.AcquireTime, to.RenewTime = to.AcquireTime.Truncate(time.Second), to.RenewTime.Truncate(time.Second)
			to.Instance, to.Heir = "i", "h"
			made := write(t, lock, elector.Observation{}, to)
			if made.Record != to {
				t.Errorf("created %+v, want %+v", made.Record, to)
			}
			if got := next(t, seen, ended); got.Record != to || got.Spec != made.Spec {
				t.Errorf("delivered %+v, want %+v", got, made)
			}
			// Where it exists it is not made again, and not overwritten.
			_, err := lock.Write(t.Context(), elector.Observation{}, record("b"))
			mustBe(t, err, elector.ErrConflict)
			_, err = lock.Write(t.Context(), made, to)
			if err != nil {
				t.Errorf("a no-op: %v", err)
			}
			to.LeaseTransitions = 1
			renewed := write(t, lock, made, to)
			_, err = lock.Write(t.Context(), made, to)
			mustBe(t, err, elector.ErrConflict)

			// Deleted, and made again by somebody else.
			deleteObject(t, resource, ns)
			_, err = lock.Write(t.Context(), renewed, to)
			mustBe(t, err, elector.ErrConflict)
			if read(t, lock).Exists {
				t.Fatal("the update made the lock again")
			}
			write(t, lock, elector.Observation{}, record("b"))
			_, err = lock.Write(t.Context(), renewed, to)
			mustBe(t, err, elector.ErrConflict)
		})
	}
}

func TestAnnotationLock_ReadsAndKeepsARecordOfClientGo(t *testing.T) {
	t.Parallel()
	now := metav1.NewTime(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	theirs := resourcelock.LeaderElectionRecord{
		HolderIdentity: "old", LeaseDurationSeconds: 15, AcquireTime: now, RenewTime: now, LeaderTransitions: 4, Strategy: "kept",
	}
	ns := namespace(t)
	_, err := server.Client().CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Annotations: map[string]string{
			resourcelock.LeaderElectionRecordAnnotationKey: asJSON(t, theirs), "note": "y",
		}},
		Data: map[string]string{"key": "value"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lock := admin(t).ConfigMap(ns, "db")
	seen := read(t, lock)
	want := elector.Record{HolderIdentity: "old", LeaseDuration: 15 * time.Second, AcquireTime: now.Time, RenewTime: now.Time, LeaseTransitions: 4}
	if seen.Record != want {
		t.Errorf("read %+v, want %+v", seen.Record, want)
	}
	to := want
	to.HolderIdentity, to.LeaseTransitions = "new", 5
	write(t, lock, seen, to)
	after, err := server.Client().CoreV1().ConfigMaps(ns).Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got resourcelock.LeaderElectionRecord
	if err := json.Unmarshal([]byte(after.Annotations[resourcelock.LeaderElectionRecordAnnotationKey]), &got); err != nil {
		t.Fatal(err)
	}
	theirs.HolderIdentity, theirs.LeaderTransitions = "new", 5
	if asJSON(t, got) != asJSON(t, theirs) {
		t.Errorf("client-go reads %s, want %s", asJSON(t, got), asJSON(t, theirs))
	}
	if after.Data["key"] != "value" || after.Annotations["note"] != "y" {
		t.Errorf("other content was lost: %+v", after)
	}
}

func TestAnnotationLock_RefusedCreationNamesARuleForAllNames(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	_, err := user(t, ns, rule("", "configmaps", "create update", "db")).ConfigMap(ns, "db").Write(t.Context(), elector.Observation{}, record("a"))
	mustBe(t, err, elector.ErrForbidden)
	mustSay(t, err, `- {apiGroups: [''], resources: [configmaps], verbs: [create]}`)
}

func TestAnnotationLock_InAMissingNamespaceIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	_, err := admin(t).ConfigMap("nowhere", "db").Write(t.Context(), elector.Observation{}, record("a"))
	mustSay(t, err, "create configmap nowhere/db", "kubectl create namespace nowhere")
}

func deleteObject(t *testing.T, resource, ns string) {
	t.Helper()
	err := server.Client().CoreV1().RESTClient().Delete().Namespace(ns).Resource(resource).Name("db").Do(t.Context()).Error()
	if err != nil {
		t.Fatal(err)
	}
}
