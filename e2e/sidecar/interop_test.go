package sidecar

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// theirs is a candidate of client-go's, as both older tools have one.
type theirs struct {
	leading atomic.Bool
	end     func()
}

// startTheirs starts one with k8s-elector's proportions of a lease of 3 s.
func startTheirs(t *testing.T, s *scene, name string, releases bool) *theirs {
	t.Helper()
	client, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	c := &theirs{}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: s.Namespace, Name: stage.LockName},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		},
		LeaseDuration: 3 * time.Second, RenewDeadline: time.Second, RetryPeriod: 500 * time.Millisecond,
		ReleaseOnCancel: releases, Name: name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { c.leading.Store(true) },
			OnStoppedLeading: func() { c.leading.Store(false) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { elector.Run(ctx) })
	c.end = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(c.end)
	return c
}

func TestInterop_OnALeaseWithClientGoBothWaysRound(t *testing.T) {
	for name, releases := range map[string]bool{"releasing, as k8s-elector": true, "not releasing, as leader-elector": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// client-go creates by POST, which cannot be limited to a name.
			s := newScene(t, rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}})
			other := startTheirs(t, s, "theirs", releases)
			s.Await("client-go leads", other.leading.Load)
			ours := s.start(s.elector("shop-0"))
			s.awaitFollowing(ours, "theirs")
			if !other.leading.Load() {
				t.Error("client-go has lost the lease")
			}
			other.end()
			s.awaitLeading(ours)
			again := startTheirs(t, s, "theirs again", releases)
			before := s.Lease().Spec.RenewTime
			s.Await("a renewal", func() bool { return s.Lease().Spec.RenewTime.After(before.Time) })
			if again.leading.Load() {
				t.Fatal("both lead")
			}
			ours.Signal(syscall.SIGTERM)
			s.AwaitExit(ours)
			s.Await("client-go leads again", again.leading.Load)
			if holder := *s.Lease().Spec.HolderIdentity; holder != "theirs again" {
				t.Errorf("the holder is %s", holder)
			}
		})
	}
}

// old is the record of client-go up to 0.23, in the order and form in which it
// wrote it.
type old struct {
	HolderIdentity       string      `json:"holderIdentity"`
	LeaseDurationSeconds int         `json:"leaseDurationSeconds"`
	AcquireTime          metav1.Time `json:"acquireTime"`
	RenewTime            metav1.Time `json:"renewTime"`
	LeaderTransitions    int         `json:"leaderTransitions"`
}

// annotated is a lock in an annotation, read and written as that client-go did.
type annotated struct {
	resource string
	get      func() (*metav1.ObjectMeta, error)
	put      func(record string) error
	create   func(record string) error
	// kept tells whether the other data in the object are as they were made.
	kept func() bool
}

func annotatedLocks(t *testing.T, namespace string) []annotated {
	client, ctx := server.Client().CoreV1(), context.WithoutCancel(t.Context())
	meta := func(record string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: stage.LockName, Annotations: map[string]string{leaderAnnotation: record, "mine": "kept"}, Labels: map[string]string{"team": "shop"}}
	}
	maps, ends := client.ConfigMaps(namespace), client.Endpoints(namespace)
	return []annotated{
		{
			resource: "configmaps",
			get: func() (*metav1.ObjectMeta, error) {
				o, err := maps.Get(ctx, stage.LockName, metav1.GetOptions{})
				return &o.ObjectMeta, err
			},
			put: func(record string) error {
				o, err := maps.Get(ctx, stage.LockName, metav1.GetOptions{})
				if err != nil {
					return err
				}
				o.Annotations[leaderAnnotation] = record
				_, err = maps.Update(ctx, o, metav1.UpdateOptions{})
				return err
			},
			create: func(record string) error {
				_, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta(record), Data: map[string]string{"shop.conf": "x=1"}}, metav1.CreateOptions{})
				return err
			},
			kept: func() bool {
				o, err := maps.Get(ctx, stage.LockName, metav1.GetOptions{})
				return err == nil && o.Data["shop.conf"] == "x=1"
			},
		},
		{
			resource: "endpoints",
			get: func() (*metav1.ObjectMeta, error) {
				o, err := ends.Get(ctx, stage.LockName, metav1.GetOptions{})
				return &o.ObjectMeta, err
			},
			put: func(record string) error {
				o, err := ends.Get(ctx, stage.LockName, metav1.GetOptions{})
				if err != nil {
					return err
				}
				o.Annotations[leaderAnnotation] = record
				_, err = ends.Update(ctx, o, metav1.UpdateOptions{})
				return err
			},
			create: func(record string) error {
				_, err := ends.Create(ctx, &corev1.Endpoints{ObjectMeta: meta(record), Subsets: []corev1.EndpointSubset{{
					Addresses: []corev1.EndpointAddress{{IP: "10.0.0.7"}}, Ports: []corev1.EndpointPort{{Name: "http", Port: 80}},
				}}}, metav1.CreateOptions{})
				return err
			},
			kept: func() bool {
				o, err := ends.Get(ctx, stage.LockName, metav1.GetOptions{})
				return err == nil && len(o.Subsets) == 1 && o.Subsets[0].Addresses[0].IP == "10.0.0.7" && o.Subsets[0].Ports[0].Port == 80
			},
		},
	}
}

// An old replica holds the lock and renews; it is waited for while it does, and
// for its whole lease after it has stopped. Then it reads what ours has written.
func TestInterop_OnALockInAnAnnotationWithARecordOfAnOldReplica(t *testing.T) {
	t.Parallel()
	for i, resource := range []string{"configmaps", "endpoints"} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, Verbs: []string{"get", "list", "watch", "create", "update"}})
			lock := annotatedLocks(t, s.Namespace)[i]
			now := metav1.Now()
			held := old{HolderIdentity: "old-0", LeaseDurationSeconds: 3, AcquireTime: now, RenewTime: now, LeaderTransitions: 4}
			text := func() string {
				body, err := json.Marshal(held)
				if err != nil {
					t.Fatal(err)
				}
				return string(body)
			}
			if err := lock.create(text()); err != nil {
				t.Fatal(err)
			}
			ours := s.start(s.elector("shop-0", "-lock-type="+resource))
			s.awaitFollowing(ours, "old-0")
			for i := range 4 { // longer than the lease, as the renewals have it
				held.RenewTime = metav1.NewTime(now.Add(time.Duration(i+1) * time.Second))
				if err := lock.put(text()); err != nil {
					t.Fatal(err)
				}
				seen := s.says(ours)
				if seen.IsLeader {
					t.Fatal("ours leads while the old replica renews")
				}
				s.Await("the next second", func() bool { return time.Now().After(held.RenewTime.Time) })
			}
			s.awaitLeading(ours)
			s.AwaitLine(ours, "msg=elected", `reason="not renewed by old-0 for 3s"`)
			read := func() (r old) {
				meta, err := lock.get()
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal([]byte(meta.Annotations[leaderAnnotation]), &r); err != nil {
					t.Fatalf("the old replica cannot read %q: %v", meta.Annotations[leaderAnnotation], err)
				}
				if meta.Annotations["mine"] != "kept" || meta.Labels["team"] != "shop" || !lock.kept() {
					t.Error("other data in the object are changed")
				}
				return r
			}
			if r := read(); r.HolderIdentity != "shop-0" || r.LeaseDurationSeconds != 3 || r.LeaderTransitions != 5 || r.RenewTime.IsZero() {
				t.Errorf("ours wrote %+v", r)
			}
			ours.Signal(syscall.SIGTERM)
			s.AwaitExit(ours)
			// Its client-go takes a record without a holder at once.
			if r := read(); r.HolderIdentity != "" {
				t.Errorf("released, it is %+v", r)
			}
			// And the other way round: the old one releases.
			next := s.start(s.elector("shop-1", "-lock-type="+resource))
			s.awaitLeading(next)
			if r := read(); r.HolderIdentity != "shop-1" {
				t.Errorf("ours wrote %+v", r)
			}
			held = old{LeaseDurationSeconds: 1, AcquireTime: metav1.Now(), RenewTime: metav1.Now(), LeaderTransitions: 6, HolderIdentity: "old-1"}
			if err := putAlways(lock, text()); err != nil {
				t.Fatal(err)
			}
			s.awaitFollowing(next, "old-1")
			held.HolderIdentity = ""
			if err := lock.put(text()); err != nil {
				t.Fatal(err)
			}
			s.awaitLeading(next)
		})
	}
}

// putAlways writes over whoever writes too.
func putAlways(lock annotated, record string) error {
	var err error
	for range 100 {
		if err = lock.put(record); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the record is changed all the time: %w", err)
}
