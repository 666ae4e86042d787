package scenarios

import (
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// awaitControl waits until the API server answers again, and starts the controllers and
// the scheduler anew, as they are where they elect a leader. client-go's reflectors that
// were refused some times in a row ask again only after up to a minute, some of them
// twice, and whoever installs anything meanwhile waits for them.
func (s *scenario) awaitControl(host *cluster.Cluster) {
	s.t.Helper()
	s.must(host.AwaitAPI(s.ctx))
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		component, err := host.Component(name)
		s.must(err)
		s.must(component.Kill(s.ctx))
		s.must(component.Start(s.ctx))
	}
}

// A term lasts RenewDeadline from the last renewal, so that, and not the lease, is
// what must be longer than an outage and the start of an API server.
func TestAPIServerAwayForThirtySeconds_EndsATermThatIsShorterAndNotOneThatIsLonger(t *testing.T) {
	s, host := breaking(t)
	longer := s.beside(host)
	s.recorder().install(apart)
	longer.recorder().install(apart, "election: {leaseDuration: 60s, renewDeadline: 50s, retryPeriod: 2s}")
	first, stays := s.awaitLeader(), longer.awaitLeader()
	server, err := host.Component("kube-apiserver")
	s.must(err)

	s.must(server.Kill(s.ctx))
	s.last(time.After(30 * time.Second))
	before, err := record.Now()
	s.must(err)
	s.must(server.Start(s.ctx))
	s.awaitControl(host)

	longer.awaitRenewals(2)
	longer.ledOn(stays)
	s.awaitPods(2)
	s.awaitSuccessor(first)
	s.awaitRenewals(2)
	if runs := s.runs(); len(runs) != 2 || !runs[0].Ended || runs[0].Last >= before {
		t.Errorf("runs %v, want two, the first of which had ended before the API server came back at %s", runs, before)
	}
}

func TestAPIServerKilledAndStartedAgain_InterruptsNothing(t *testing.T) {
	s, host := breaking(t)
	s.recorder().install(apart, "election: {leaseDuration: 30s}") // it may take long to start
	first := s.awaitLeader()
	server, err := host.Component("kube-apiserver")
	s.must(err)

	s.must(server.Kill(s.ctx))
	s.must(server.Start(s.ctx))
	s.awaitControl(host)

	s.awaitRenewals(2)
	s.ledOn(first)
}

func TestEtcdThatStandsStillForFiveSeconds_InterruptsNothing(t *testing.T) {
	s, host := breaking(t)
	s.recorder().install(apart)
	first := s.awaitLeader()
	etcd, err := host.Component("etcd")
	s.must(err)

	s.must(etcd.Pause())
	s.last(time.After(5 * time.Second))
	s.must(etcd.Resume())
	s.awaitControl(host)

	s.awaitRenewals(2)
	s.ledOn(first)
}
