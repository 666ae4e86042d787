package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
)

// The Lease stays on purpose, and Helm does not know it: whoever installs the
// release again must not start before the old command has ended, and what tells
// of that command is the Lease alone.
func TestUninstall_LeavesNothingButTheLease(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	release := s.recorder()
	before := s.inventory()
	release.install()
	s.awaitLeader()
	release.test()
	release.uninstall(true)
	s.await("all is gone but the Lease", func() error {
		left := s.inventory()
		maps.DeleteFunc(left, func(name string, _ bool) bool { return before[name] })
		if names := slices.Sorted(maps.Keys(left)); !slices.Equal(names, []string{"leases.coordination.k8s.io/recorder"}) {
			return fmt.Errorf("left are %q", names)
		}
		return nil
	})
	release.install()
	s.awaitLeader()
	if runs := s.runs(); len(runs) != 2 || !runs[0].Ended {
		t.Errorf("runs %v, want two, the first of which was not killed", runs)
	}
}

// inventory is everything in the namespace but Events, as RESOURCE.GROUP/NAME.
func (s *scenario) inventory() map[string]bool {
	s.t.Helper()
	lists, err := s.client.Discovery().ServerPreferredResources()
	if err != nil {
		s.t.Fatal(err)
	}
	lists = discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists)
	kinds, err := discovery.GroupVersionResources(lists)
	if err != nil {
		s.t.Fatal(err)
	}
	namespaced := map[schema.GroupVersionResource]bool{}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, kind := range list.APIResources {
			namespaced[group.WithResource(kind.Name)] = kind.Namespaced && kind.Name != "events"
		}
	}
	client, err := metadata.NewForConfig(site.config)
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string]bool{}
	for kind := range kinds {
		if !namespaced[kind] {
			continue
		}
		objects, err := client.Resource(kind).Namespace(s.namespace).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			s.t.Fatalf("list %s: %v", kind, err)
		}
		for _, object := range objects.Items {
			found[kind.GroupResource().String()+"/"+object.Name] = true
		}
	}
	return found
}

// Its rights are gone with the release, so the old leader can neither renew nor
// release. The command gets its time to end all the same, as far as the lease lasts,
// and the new release waits until the old lease has run out.
func TestUninstall_LetsNoNewReleaseStartWhileTheOldCommandEnds(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	release := s.recorder()
	slowly := []string{"election: {leaseDuration: 30s}", recorderWith("-linger", "10s")}
	release.install(slowly...)
	first := s.awaitLeader()
	release.uninstall(false)
	release.installNow(slowly...)
	if second := s.awaitSuccessor(first); second.pod.UID == first.pod.UID {
		t.Errorf("%s leads again", second.name())
	}
	if runs := s.runs(); len(runs) != 2 || !runs[0].Ended {
		t.Errorf("runs %v, want two, the first of which was not killed", runs)
	}
}

// The command would end by itself after a minute, and its Pod may take two: it is
// the end of the lease that it does not outlive.
func TestUninstall_GivesTheCommandNoLongerThanTheLeaseLasts(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	release := s.recorder()
	slowly := []string{shortLease, "terminationGracePeriodSeconds: 120", recorderWith("-linger", "1m")}
	release.install(slowly...)
	first := s.awaitLeader()
	release.uninstall(false)
	release.installNow(slowly...)
	s.awaitSuccessor(first)
	if runs := s.runs(); len(runs) != 2 || runs[0].Ended {
		t.Errorf("runs %v, want two, the first of which was killed", runs)
	}
}

// What the chart's README says of a command that needs its full time.
func TestUninstallOfWhatWasScaledToNothing_GivesTheCommandItsFullTime(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	release := s.recorder()
	release.install(shortLease, recorderWith("-linger", "12s"))
	s.awaitLeader()
	s.kubectl("scale", "deployment/recorder", "--replicas=0")
	s.kubectl("wait", "pod", "--selector=app.kubernetes.io/instance=recorder", "--for=delete", "--timeout="+patience.String())
	release.uninstall(true)
	if runs := s.runs(); len(runs) != 1 || !runs[0].Ended {
		t.Errorf("runs %v, want one that was not killed", runs)
	}
}
