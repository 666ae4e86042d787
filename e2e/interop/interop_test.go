package interop

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

func TestTheirs_WaitsWhileOursLeadsAndFollowsItsRelease(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ours := s.Start(stage.Pod{Name: "ours"})
	s.AwaitLeader(ours)
	other := startTheirs(t, s, "theirs", true)
	s.Await("client-go sees who leads", func() bool { return other.holder.Load() == "ours" })
	awaitRenewals(s, 2)
	if other.leading.Load() {
		t.Fatal("client-go leads too")
	}
	ours.Signal(syscall.SIGTERM)
	s.AwaitExit(ours)
	s.Await("client-go leads", other.leading.Load)
	if got := s.Lease(); *got.Spec.LeaseTransitions != 1 {
		t.Errorf("%d transitions, want 1", *got.Spec.LeaseTransitions)
	}
}

func TestOurs_LeadsAtOnceWhenTheirsReleases(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := startTheirs(t, s, "theirs", true)
	s.Await("client-go leads", other.leading.Load)
	ours := s.Start(stage.Pod{Name: "ours"})
	s.AwaitLine(ours, `msg="standing by"`, "holder=theirs")
	s.AwaitCode(ours, "/readyz", 200)
	awaitRenewals(s, 2)
	other.end(true)
	s.AwaitLeader(ours)
	if ours.Line("msg=elected", "reason=released") == "" {
		t.Error("ours was elected for another reason")
	}
	if got := s.Lease(); *got.Spec.LeaseTransitions != 1 {
		t.Errorf("%d transitions, want 1", *got.Spec.LeaseTransitions)
	}
}

func TestOurs_WaitsOutTheLeaseWhenTheirsDies(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := startTheirs(t, s, "theirs", false)
	s.Await("client-go leads", other.leading.Load)
	ours := s.Start(stage.Pod{Name: "ours"})
	s.AwaitLine(ours, `msg="standing by"`, "holder=theirs")
	other.end(false)
	s.AwaitLeader(ours)
	if ours.Line("msg=elected", `reason="not renewed by theirs for 3s"`) == "" {
		t.Error("ours was elected for another reason")
	}
}

func TestTheirs_WaitsOutTheLeaseWhenOursIsKilled(t *testing.T) {
	stage.NeedRoot(t)
	t.Parallel()
	s := newStage(t)
	ours := s.Start(stage.Pod{Name: "ours"})
	s.AwaitLeader(ours)
	other := startTheirs(t, s, "theirs", true)
	s.Await("client-go sees who leads", func() bool { return other.holder.Load() == "ours" })
	ours.Signal(syscall.SIGKILL)
	s.AwaitExit(ours)
	renewed := s.Lease().Spec.RenewTime
	s.Await("client-go leads", other.leading.Load)
	if acquired := s.Lease().Spec.AcquireTime; acquired.Sub(renewed.Time) < leaseDuration {
		t.Errorf("client-go acquired the lease at %v, when ours had renewed it at %v", acquired, renewed)
	}
}

// client-go carries our annotations along when it takes the Lease. Read as if
// they were about its term, they would let a restarted container of ours in: the
// holder is of the same name where a Pod of a StatefulSet went back to an older
// tool.
func TestOurs_DoesNotBelieveAnnotationsThatTheirsHasCarriedAlong(t *testing.T) {
	stage.NeedRoot(t)
	t.Parallel()
	s := newStage(t)
	pod := stage.Pod{Name: "shop-0"}
	ours := s.Start(pod)
	s.AwaitLeader(ours)
	heir := s.Start(stage.Pod{Name: "shop-1"})
	s.AwaitStandby(heir)
	// Both are killed, so that nobody takes a word back.
	heir.Signal(syscall.SIGKILL)
	ours.Signal(syscall.SIGKILL)
	s.AwaitExit(heir)
	s.AwaitExit(ours)
	between := startTheirs(t, s, "shop-2", true)
	s.Await("client-go leads", between.leading.Load)
	other := startTheirs(t, s, pod.Name, false)
	between.end(true)
	s.Await("client-go leads under the name of ours", other.leading.Load)
	lease := s.Lease()
	if !strings.Contains(lease.Annotations[stage.InstanceAnnotation], `"holder":"shop-0"`) || !strings.Contains(lease.Annotations[stage.HeirAnnotation], `"heir":"shop-1"`) {
		t.Fatalf("client-go has removed the annotations, left are %v: this test tests nothing", lease.Annotations)
	}

	again := s.Start(pod)
	s.AwaitLine(again, `msg="standing by"`, "holder=shop-0")
	awaitRenewals(s, 2)
	other.end(false)
	s.AwaitLeader(again)
	if again.Line("msg=elected", `reason="not renewed by shop-0 for 3s"`) == "" {
		t.Error("the restarted container was elected for another reason")
	}
	if now := s.Lease(); now.Annotations[stage.HeirAnnotation] != "" || !strings.Contains(now.Annotations[stage.InstanceAnnotation], fmt.Sprintf(`"transitions":%d`, *now.Spec.LeaseTransitions)) {
		t.Errorf("annotations %v of another term", now.Annotations)
	}
}

func TestLease_ThatTheirsMadeIsTheSameInOurHands(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := startTheirs(t, s, "theirs", true)
	s.Await("client-go leads", other.leading.Load)
	made := s.EditLease(func(l *coordinationv1.Lease) {
		l.Labels, l.Annotations = map[string]string{"team": "shop"}, map[string]string{"note": "by hand"}
	})
	ours := s.Start(stage.Pod{Name: "ours"})
	s.AwaitLine(ours, `msg="standing by"`, "holder=theirs")
	other.end(true)
	s.AwaitLeader(ours)
	taken := s.Lease()
	if taken.UID != made.UID || taken.Labels["team"] != "shop" || taken.Annotations["note"] != "by hand" {
		t.Errorf("metadata %v, want that of %v", taken.ObjectMeta, made.ObjectMeta)
	}
	if *taken.Spec.HolderIdentity != "ours" || *taken.Spec.LeaseDurationSeconds != 3 || *taken.Spec.LeaseTransitions != 1 ||
		taken.Spec.AcquireTime == nil || taken.Spec.RenewTime == nil {
		t.Errorf("spec %v", taken.Spec)
	}
	// And back: client-go releases and takes what ours wrote.
	again := startTheirs(t, s, "theirs again", true)
	ours.Signal(syscall.SIGTERM)
	s.AwaitExit(ours)
	s.Await("client-go leads again", again.leading.Load)
	if back := s.Lease(); back.UID != made.UID || back.Labels["team"] != "shop" || *back.Spec.LeaseTransitions != 2 {
		t.Errorf("got %v", back)
	}
}

// TestSeries_OfHandOversNeverHasTwoAtOnce lets one of each lead in turn, and
// ends whoever leads in a way that a fixed seed chooses.
func TestSeries_OfHandOversNeverHasTwoAtOnce(t *testing.T) {
	stage.NeedRoot(t)
	t.Parallel()
	const handOvers, seed = 20, 2
	random := rand.New(rand.NewPCG(seed, seed))
	s := newStage(t)
	var ours *stage.Container
	var other *theirs
	var described []string
	names := 0
	name := func(kind string) string {
		names++
		return fmt.Sprintf("%s-%d", kind, names)
	}
	releases := false
	startOther := func() {
		releases = random.IntN(3) != 0
		other = startTheirs(t, s, name("theirs"), releases)
	}
	startOurs := func() {
		ours = s.Start(stage.Pod{Name: name("ours"), Actor: []string{"-on", "USR1=7", "-on", "USR2=die"}})
	}
	startOurs()
	startOther()
	for i := range handOvers {
		led := false
		s.Await(fmt.Sprintf("leader %d", i+1), func() bool {
			led = ours.Line(`msg="command started"`) != ""
			return led || other.leading.Load()
		})
		switch {
		case led:
			s.AwaitLeader(ours)
			s.Await("client-go sees who leads", func() bool { return other.holder.Load() == ours.Pod.Name })
			sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGKILL}[random.IntN(5)]
			described = append(described, "ours by "+sig.String())
			ours.Signal(sig)
			s.AwaitExit(ours)
			s.Await("client-go leads", other.leading.Load)
			startOurs()
		default:
			s.AwaitLine(ours, `msg="standing by"`, "holder="+other.name)
			described = append(described, map[bool]string{true: "theirs by release", false: "theirs without"}[releases])
			other.end(releases)
			s.AwaitLeader(ours)
			startOther()
		}
	}
	t.Logf("leaders ended: %s", strings.Join(described, "; "))
	runs := s.Runs()
	if len(runs) != handOvers+1 {
		t.Errorf("%d runs, want %d", len(runs), handOvers+1)
	}
	for _, o := range record.Overlaps(runs) {
		t.Errorf("%s", o)
	}
}

// awaitRenewals waits until the holder has renewed the lease n times.
func awaitRenewals(s *stage.Stage, n int) {
	for range n {
		before := s.Lease().Spec.RenewTime
		s.Await("a renewal", func() bool { return s.Lease().Spec.RenewTime.After(before.Time) })
	}
}
