package chart

import (
	"encoding/json"
	"slices"
	"syscall"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// sliceOf is the slice of that name, once it is there.
func sliceOf(t *testing.T, s *stage.Stage, name string) (slice *discoveryv1.EndpointSlice) {
	t.Helper()
	s.Await("there is "+name, func() bool {
		var err error
		slice, err = server.Client().DiscoveryV1().EndpointSlices(s.Namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err == nil
	})
	return slice
}

// released is a stage in whose namespace the chart is installed, and a gate of it
// leads.
func released(t *testing.T, h helm, set ...string) (*stage.Stage, input, *stage.Container) {
	t.Helper()
	in := input{release: stage.LockName, set: slices.Concat(twoValues, set)}
	r := render(t, in)
	s := stage.New(t, server, programs, only[*rbacv1.Role](t, r).Rules...)
	s.LongLeases()
	in.namespace = s.Namespace
	must(t, h.install(in))
	leader := start(t, s, r, stage.LockName+"-0")
	awaitLeader(t, s, r, leader)
	return s, in, leader
}

// Neither version of Helm undoes what a gate has written, or stops over it, and
// neither does the gate see a reason to write again.
func TestHelm_LeavesAloneWhatALeaderWrites(t *testing.T) {
	t.Parallel()
	for name, h := range helms(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, in, leader := released(t, h, "app.ports.redis=6379")
			service, err := server.Client().CoreV1().Services(s.Namespace).Get(t.Context(), stage.LockName, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			before := map[string]*discoveryv1.EndpointSlice{}
			for _, family := range []string{"-ipv4", "-ipv6"} {
				slice := sliceOf(t, s, stage.LockName+family)
				before[slice.Name] = slice
				// The garbage collector takes it with the Service.
				if owners := slice.OwnerReferences; len(owners) != 1 || owners[0].UID != service.UID || owners[0].Kind != "Service" {
					t.Errorf("%s is owned by %v, the Service is %s", slice.Name, owners, service.UID)
				}
			}
			must(t, h.upgrade(in.and("app.image.tag=2", "service.annotations.a=b", "service.ports.redis=16379")))
			must(t, h.rollback(in, 1))
			must(t, h.upgrade(in.and("app.image.tag=3")))
			for name, slice := range before {
				if after := sliceOf(t, s, name); after.ResourceVersion != slice.ResourceVersion {
					t.Errorf("%s is\n%s, was\n%s", name, inShort(t, after), inShort(t, slice))
				}
			}
			leader.Signal(syscall.SIGTERM)
			s.AwaitExit(leader)
		})
	}
}

func TestHelm_LeavesAloneTheLabelOfALeader(t *testing.T) {
	t.Parallel()
	for name, h := range helms(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, in, leader := released(t, h, "app.ports.redis=6379", "service.mode=podLabel")
			pods := server.Client().CoreV1().Pods(s.Namespace)
			before, err := pods.Get(t.Context(), leader.Pod.Name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			must(t, h.upgrade(in.and("app.image.tag=2")))
			must(t, h.rollback(in, 1))
			after, err := pods.Get(t.Context(), leader.Pod.Name, metav1.GetOptions{})
			if err != nil || after.ResourceVersion != before.ResourceVersion || after.Labels["k8s-await-election/"+stage.LockName] != "leader" {
				t.Errorf("the Pod is labelled %v, was %v: %v", after.Labels, before.Labels, err)
			}
		})
	}
}

func inShort(t *testing.T, slice *discoveryv1.EndpointSlice) string {
	t.Helper()
	text, err := json.Marshal(slice)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Why an upgrade from slices to a selector has to wait for the end of the Pods, and
// not for that of the Service alone.
func TestSlices_AreWrittenAgainForAServiceThatIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := modeOf(t, "slices")
	s := play(t, r, false, only[*rbacv1.Role](t, r).Rules...)
	a := start(t, s, r, stage.LockName+"-0")
	awaitLeader(t, s, r, a)
	services, points := server.Client().CoreV1().Services(s.Namespace), server.Client().DiscoveryV1().EndpointSlices(s.Namespace)
	// No garbage collector runs here.
	for _, family := range []string{"-ipv4", "-ipv6"} {
		if err := points.Delete(t.Context(), stage.LockName+family, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := services.Delete(t.Context(), stage.LockName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	service, _ := servicesOf(t, modeOf(t, "a Pod label"))
	service.Namespace = ""
	if _, err := services.Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Await("the slices are there again", func() bool {
		list, err := points.List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 2
	})
}

// What the README says of one Lease for two releases: the slices of the one that
// leads no more stay as they are, as it leaves to an heir, which has a Service of
// its own.
func TestLease_OfTwoReleasesLeavesTheSlicesOfTheOneThatLed(t *testing.T) {
	t.Parallel()
	one := render(t, input{release: stage.LockName, set: append(slices.Clone(twoValues), "app.ports.redis=6379")})
	two := render(t, input{release: "two", set: append(slices.Clone(twoValues), "app.ports.redis=6379", "election.leaseName="+stage.LockName)})
	s := play(t, one, false, slices.Concat(only[*rbacv1.Role](t, one).Rules, only[*rbacv1.Role](t, two).Rules)...)
	service, _ := servicesOf(t, two)
	service.Namespace = ""
	if _, err := server.Client().CoreV1().Services(s.Namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	a := start(t, s, one, stage.LockName+"-0")
	awaitLeader(t, s, one, a)
	b := start(t, s, two, "two-0")
	s.AwaitStandby(b)
	s.Await("the other release's Pod is the heir", func() bool { return s.Lease().Annotations["k8s-await-election/heir"] != "" })
	a.Signal(syscall.SIGTERM)
	s.AwaitExit(a)
	awaitLeader(t, s, two, b)
	for name, pod := range map[string]string{stage.LockName + "-ipv4": a.Pod.Name, "two-ipv4": b.Pod.Name} {
		if points := sliceOf(t, s, name).Endpoints; len(points) != 1 || points[0].TargetRef == nil || points[0].TargetRef.Name != pod {
			t.Errorf("%s leads to %v, want %s", name, points, pod)
		}
	}
}
