package kube

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

func TestLease_IsCreatedUpdatedAndReadWithRightsForItsNameAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := user(t, ns, leaseRule("get create update", "db")).Lease(ns, "db")

	absent := read(t, lock)
	if absent.Exists {
		t.Fatal("an absent lease exists")
	}
	to := record("a")
	to.Instance, to.Heir = "i1", "b"
	made := write(t, lock, absent, to)
	if !made.Exists || made.Revision == 0 || made.Record != to {
		t.Errorf("created: %+v, want the record %+v", made, to)
	}
	if seen := read(t, lock); seen.Record != to || seen.Revision != made.Revision || seen.Spec != made.Spec {
		t.Errorf("read: %+v, want %+v", seen, made)
	}

	to.RenewTime = to.RenewTime.Add(time.Second)
	to.Instance, to.Heir, to.LeaseTransitions = "i2", "", 7
	renewed := write(t, lock, made, to)
	if renewed.Record != to || renewed.Revision <= made.Revision || renewed.Spec == made.Spec {
		t.Errorf("renewed: %+v, want the record %+v in a later revision than %d", renewed, to, made.Revision)
	}
	to.Heir = "c"
	if hinted := write(t, lock, renewed, to); hinted.Spec != renewed.Spec || hinted.Revision <= renewed.Revision {
		t.Error("a hint changed the election's own part of the lease")
	}
}

func TestLease_AnswersANoOpWithTheRevisionThatWas(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := admin(t).Lease(ns, "db")
	made := write(t, lock, elector.Observation{}, record("a"))
	if again := write(t, lock, made, record("a")); again.Revision != made.Revision {
		t.Errorf("revision %d after a no-op, was %d", again.Revision, made.Revision)
	}
}

func TestLease_RoundsItsDurationUp(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	to := record("a")
	to.LeaseDuration = 1001 * time.Millisecond
	if made := write(t, admin(t).Lease(ns, "db"), elector.Observation{}, to); made.Record.LeaseDuration != 2*time.Second {
		t.Errorf("1.001 s became %v, want 2 s", made.Record.LeaseDuration)
	}
}

func TestLease_LetsOneOfTwoWritersWin(t *testing.T) {
	t.Parallel()
	for _, exists := range []bool{false, true} {
		ns := namespace(t)
		c := admin(t)
		lock := c.Lease(ns, "db")
		var from elector.Observation
		if exists {
			from = write(t, lock, from, record("before"))
		}
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = lock.Write(t.Context(), from, record(string(rune('a'+i)))) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			mustBe(t, err, elector.ErrConflict)
		}
		if won != 1 {
			t.Errorf("%d writers won (the lease existed: %v), want 1", won, exists)
		}
	}
}

func TestLease_IsNotMadeAgainByAnUpdateAfterItsDeletion(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := admin(t).Lease(ns, "db")
	made := write(t, lock, elector.Observation{}, record("a"))
	deleteLease(t, ns, "db")
	_, err := lock.Write(t.Context(), made, record("a"))
	mustBe(t, err, elector.ErrConflict)
	if read(t, lock).Exists {
		t.Error("the update made the lease again")
	}
}

func TestLease_OfTheSameNameMadeAnewIsAnother(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := admin(t).Lease(ns, "db")
	first := write(t, lock, elector.Observation{}, record("a"))
	deleteLease(t, ns, "db")
	second := write(t, lock, elector.Observation{}, record("b"))
	if second.Revision <= first.Revision {
		t.Errorf("revision %d after deletion, was %d", second.Revision, first.Revision)
	}
	_, err := lock.Write(t.Context(), first, record("a"))
	mustBe(t, err, elector.ErrConflict)
	if now := read(t, lock); now.Record.HolderIdentity != "b" {
		t.Errorf("held by %q, want b", now.Record.HolderIdentity)
	}
}

func TestLease_KeepsWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lease, err := server.Client().CoordinationV1().Leases(ns).Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: "db", Labels: map[string]string{"team": "x"}, Annotations: map[string]string{"note": "y"},
			Finalizers: []string{"example.com/keep"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lock := admin(t).Lease(ns, "db")
	to := record("b")
	to.Instance = "i"
	write(t, lock, write(t, lock, read(t, lock), to), record("c"))
	after := getLease(t, ns, "db")
	if after.Labels["team"] != "x" || len(after.Annotations) != 1 || after.Annotations["note"] != "y" || len(after.Finalizers) != 1 || after.UID != lease.UID {
		t.Errorf("metadata was lost: %+v", after.ObjectMeta)
	}
}

// The release of client-go is a record with the holder "" and a duration of 1.
func TestLease_IsFieldForFieldThatOfClientGo(t *testing.T) {
	t.Parallel()
	for _, holder := range []string{"a", ""} {
		ns := namespace(t)
		to := record(holder)
		to.LeaseDuration, to.LeaseTransitions = time.Second, 3
		theirs := &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: ns, Name: "theirs"}, Client: server.Client().CoordinationV1(),
		}
		lock := admin(t).Lease(ns, "ours")
		write(t, lock, elector.Observation{}, to)
		err := theirs.Create(t.Context(), resourcelock.LeaderElectionRecord{
			HolderIdentity: holder, LeaseDurationSeconds: 1, LeaderTransitions: 3,
			AcquireTime: metav1.NewTime(to.AcquireTime), RenewTime: metav1.NewTime(to.RenewTime),
		})
		if err != nil {
			t.Fatal(err)
		}
		our, their := getLease(t, ns, "ours").Spec, getLease(t, ns, "theirs").Spec
		if a, b := asJSON(t, our), asJSON(t, their); a != b {
			t.Errorf("spec %s, client-go writes %s", a, b)
		}
		if our.HolderIdentity == nil || *our.HolderIdentity != holder {
			t.Errorf("holder %v, want %q", our.HolderIdentity, holder)
		}

		// And each reads the other.
		got, _, err := (&resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: ns, Name: "ours"}, Client: server.Client().CoordinationV1(),
		}).Get(t.Context())
		if err != nil || got.HolderIdentity != holder || got.LeaseDurationSeconds != 1 || got.LeaderTransitions != 3 || !got.RenewTime.Time.Equal(to.RenewTime) {
			t.Errorf("client-go reads %+v, %v", got, err)
		}
		if seen := read(t, admin(t).Lease(ns, "theirs")); seen.Record != to {
			t.Errorf("read of client-go's lease: %+v, want %+v", seen.Record, to)
		}
	}
}

func TestLease_RefusalsNameTheRuleToAdd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ missing, rights, rule string }{
		{"get", "watch create update", `- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [db], verbs: [get]}`},
		{"watch", "get create update", `- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [db], verbs: [watch]}`},
		{"create", "get watch update", `- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [db], verbs: [create, update]}`},
		{"update", "get watch create", `- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [db], verbs: [update]}`},
	} {
		t.Run(row.missing, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			lock := user(t, ns, leaseRule(row.rights, "db")).Lease(ns, "db")
			var from elector.Observation
			if row.missing == "update" {
				from = write(t, admin(t).Lease(ns, "db"), from, record("a"))
			}
			var err error
			switch row.missing {
			case "get":
				_, err = lock.Read(t.Context())
			case "watch":
				err = lock.Watch(t.Context(), func(elector.Observation) { t.Error("something was delivered") })
			default:
				_, err = lock.Write(t.Context(), from, record("a"))
			}
			mustBe(t, err, elector.ErrForbidden)
			mustSay(t, err, row.missing+" lease "+ns+"/db", ns+"-user", row.rule, "Role in namespace "+ns)
		})
	}
}

// The rule that a refusal names is enough.
func TestLease_CanBeMadeOnceTheNamedRuleIsAdded(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := user(t, ns).Lease(ns, "db")
	_, err := lock.Write(t.Context(), elector.Observation{}, record("a"))
	mustBe(t, err, elector.ErrForbidden)
	if err := server.Grant(t.Context(), ns, ns+"-user", leaseRule("create update", "db")); err != nil {
		t.Fatal(err)
	}
	write(t, lock, elector.Observation{}, record("a"))
}

func TestLease_InAMissingNamespaceIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	lock := admin(t).Lease("nowhere", "db")
	if read(t, lock).Exists {
		t.Error("there is a lease nowhere")
	}
	_, err := lock.Write(t.Context(), elector.Observation{}, record("a"))
	mustSay(t, err, "create lease nowhere/db", "kubectl create namespace nowhere")
	if errors.Is(err, elector.ErrConflict) || errors.Is(err, elector.ErrForbidden) {
		t.Errorf("%v is a conflict or a refusal", err)
	}
}

func TestLease_InANamespaceThatEndsIsRefusedWithoutARule(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	// Without a namespace controller the deletion stops half-way.
	if err := server.Client().CoreV1().Namespaces().Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	var err error
	eventually(t, "creation is refused", func() bool {
		_, err = admin(t).Lease(ns, "db").Write(t.Context(), elector.Observation{}, record("a"))
		return err != nil
	})
	mustBe(t, err, elector.ErrForbidden)
	mustSay(t, err, "terminated")
	if strings.Contains(err.Error(), "apiGroups") {
		t.Errorf("the error names a rule that would not help: %v", err)
	}
}

func TestLease_ThatWasEmptiedIsReadAsNobodys(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := admin(t).Lease(ns, "db")
	made := write(t, lock, elector.Observation{}, record("a"))
	_, err := server.Client().CoordinationV1().Leases(ns).Patch(t.Context(), "db", types.MergePatchType, []byte(`{"spec":null}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen := read(t, lock)
	if (seen.Record != elector.Record{}) || !seen.Exists || seen.Spec == made.Spec {
		t.Errorf("read %+v", seen)
	}
	if again := write(t, lock, seen, record("b")); again.Record != record("b") {
		t.Errorf("wrote %+v", again.Record)
	}
}

func TestLease_WriteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := admin(t).Lease(namespace(t), "db").Write(ctx, elector.Observation{}, record("a"))
	mustBe(t, err, context.Canceled)
}

func deleteLease(t *testing.T, ns, name string) {
	t.Helper()
	if err := server.Client().CoordinationV1().Leases(ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func getLease(t *testing.T, ns, name string) *coordinationv1.Lease {
	t.Helper()
	lease, err := server.Client().CoordinationV1().Leases(ns).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
