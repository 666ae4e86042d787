package gate

import (
	"strings"
	"syscall"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// What hands may do to the Lease under a leader and its standby.

func TestLease_ChangedByHandIsPutRightByItsLeader(t *testing.T) {
	rows := []struct {
		name string
		act  func(*stage.Stage)
	}{
		{"deleted", func(s *stage.Stage) { s.DeleteLease() }},
		{"emptied", func(s *stage.Stage) {
			s.EditLease(func(l *coordinationv1.Lease) { l.Spec = coordinationv1.LeaseSpec{} })
		}},
		{"without a holder", func(s *stage.Stage) {
			s.EditLease(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
		}},
		{"with an empty holder", func(s *stage.Stage) {
			s.EditLease(func(l *coordinationv1.Lease) {
				l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds = new(""), new(int32(600))
			})
		}},
		{"with another duration", func(s *stage.Stage) {
			s.EditLease(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = new(int32(1000)) })
		}},
		{"with garbage in our annotations", func(s *stage.Stage) {
			s.EditLease(func(l *coordinationv1.Lease) {
				l.Annotations[stage.InstanceAnnotation], l.Annotations[stage.HeirAnnotation] = `{"holder":[]}`, "\x7f{{{"
			})
		}},
		{"without our annotations", func(s *stage.Stage) {
			s.EditLease(func(l *coordinationv1.Lease) { l.Annotations = nil })
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.LongLeases()
			a, b := leaderAndStandby(s, stage.Pod{Name: "a"})
			before := s.Lease()

			row.act(s)

			s.Await("the leader writes its record again", func() bool {
				now := s.Lease()
				return now != nil && now.Spec.HolderIdentity != nil && *now.Spec.HolderIdentity == "a" &&
					now.Spec.LeaseDurationSeconds != nil && *now.Spec.LeaseDurationSeconds == 600 &&
					strings.Contains(now.Annotations[stage.InstanceAnnotation], `"holder":"a"`) &&
					now.Spec.RenewTime.After(before.Spec.RenewTime.Time)
			})
			s.AwaitCode(a, "/leader", 200)
			s.Await("the standby is the heir again", func() bool {
				return strings.Contains(s.Lease().Annotations[stage.HeirAnnotation], `"heir":"b"`)
			})
			if runs := s.Runs(); len(runs) != 1 || runs[0].Ended {
				t.Errorf("runs %v, want the first to go on", runs)
			}
			if line := b.Line("msg=elected"); line != "" {
				t.Errorf("the standby was elected: %s", line)
			}
		})
	}
}

func TestLease_GivenToAnotherByHandEndsItsLeader(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a := s.Start(stage.Pod{Name: "a", Actor: []string{"-on", "TERM=say"}})
	s.AwaitLeader(a)
	b := s.Start(stage.Pod{Name: "b"})
	s.AwaitStandby(b)

	s.EditLease(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = new("nobody") })

	if got := s.AwaitExit(a); got != 75 {
		t.Errorf("the gate's exit status is %d, want 75", got)
	}
	if a.Line(`msg="lease lost"`, "taken by somebody else: nobody") == "" {
		t.Error("it does not log who took the lease")
	}
	if a.Line(`msg="command ended"`, "status=137") == "" {
		t.Error("the command was not killed")
	}
	s.AwaitLine(b, `msg="standing by"`, "holder=nobody")
	s.AwaitLeader(b)
	if b.Line("msg=elected", `reason="not renewed by nobody for 3s"`) == "" {
		t.Error("the standby did not wait for the end of the lease that it saw")
	}
}

// The candidate has seen a holder, so neither deleting nor emptying its record
// is a release.
func TestLease_DeletedOrEmptiedUnderAStandbyIsNotFree(t *testing.T) {
	stage.NeedRoot(t) // the leader is killed, and its command with it
	rows := []struct {
		name string
		act  func(*stage.Stage)
	}{
		{"deleted", func(s *stage.Stage) { s.DeleteLease() }},
		{"emptied", func(s *stage.Stage) {
			s.EditLease(func(l *coordinationv1.Lease) { l.Spec = coordinationv1.LeaseSpec{} })
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			a, b := leaderAndStandby(s, stage.Pod{Name: "a"})
			a.Signal(syscall.SIGKILL)
			s.AwaitExit(a)

			row.act(s)

			s.AwaitLeader(b)
			if b.Line("msg=elected", `reason="no holder for 3s"`) == "" {
				t.Error("the standby did not wait out the lease that it had seen")
			}
		})
	}
}

func TestLease_ReleasedByHandIsTakenAtOnce(t *testing.T) {
	stage.NeedRoot(t) // the leader is killed, and its command with it
	t.Parallel()
	s := newStage(t)
	s.LongLeases()
	a, b := leaderAndStandby(s, stage.Pod{Name: "a"})
	a.Signal(syscall.SIGKILL)
	s.AwaitExit(a)
	s.EditLease(func(l *coordinationv1.Lease) {
		l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds = new(""), new(int32(1))
	})
	s.AwaitLeader(b)
	if b.Line("msg=elected", "reason=released") == "" {
		t.Error("the standby was elected for another reason")
	}
}

func TestLease_ThatWasMadeByHandIsTakenAndItsMetadataKept(t *testing.T) {
	t.Parallel()
	rows := map[string]coordinationv1.LeaseSpec{
		"empty":                     {},
		"with garbage for a holder": {HolderIdentity: new("\x01 \"}{ 💥"), LeaseDurationSeconds: new(int32(2)), LeaseTransitions: new(int32(41))},
		"with a holder and no duration": {
			HolderIdentity: new("long gone"), AcquireTime: new(metav1.NowMicro()),
		},
	}
	for name, spec := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			lease := &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{
					Name:        stage.LockName,
					Labels:      map[string]string{"team": "shop"},
					Annotations: map[string]string{"note": "by hand", stage.InstanceAnnotation: "null", stage.HeirAnnotation: `{"heir":"nobody"}`},
				},
				Spec: spec,
			}
			if _, err := server.Client().CoordinationV1().Leases(s.Namespace).Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			a := s.Start(stage.Pod{Name: "a"})
			s.AwaitLeader(a)
			s.AwaitCode(a, "/leader", 200)
			now := s.Lease()
			if now.Labels["team"] != "shop" || now.Annotations["note"] != "by hand" {
				t.Errorf("labels %v, annotations %v: not kept", now.Labels, now.Annotations)
			}
			if spec.LeaseTransitions != nil && *now.Spec.LeaseTransitions != *spec.LeaseTransitions+1 {
				t.Errorf("transitions %d after %d", *now.Spec.LeaseTransitions, *spec.LeaseTransitions)
			}
		})
	}
}

func TestConfigMapLock_WithGarbageForARecordIsWaitedOutAndReplaced(t *testing.T) {
	t.Parallel()
	s := stage.New(t, server, programs, rule("", "configmaps", "get watch create update"))
	made := configMap(stage.LockName, "control-plane.alpha.kubernetes.io/leader", "no record at all")
	if _, err := server.Client().CoreV1().ConfigMaps(s.Namespace).Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	a := s.Start(stage.Pod{Name: "a", Env: map[string]string{"LOCK_TYPE": "configmaps"}})
	s.AwaitLine(a, `msg="standing by"`, "unreadable record")
	s.AwaitLeader(a)
	now, err := server.Client().CoreV1().ConfigMaps(s.Namespace).Get(t.Context(), stage.LockName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if now.Data["key"] != "value" || !strings.Contains(now.Annotations["control-plane.alpha.kubernetes.io/leader"], `"holderIdentity":"a"`) {
		t.Errorf("got %v", now)
	}
}
