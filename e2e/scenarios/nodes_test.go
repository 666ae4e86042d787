package scenarios

import (
	"context"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// A container that is frozen and thawed is outside of the promise: it may run for
// the moment until its gate, which was frozen with it, has noticed. While it is
// frozen it does nothing.
func TestFrozenNode_IsFollowedAndGivesWayOnceItIsThawed(t *testing.T) {
	s, host := breaking(t)
	s.recorder().install(apart)
	url := s.serviceURL()
	first := s.awaitLeader()
	node := s.nodeOf(host, first)

	over := time.After(faultLasts)
	thaw := s.freeze(node, first)
	second := s.awaitServedByAnother(url, first)
	s.last(over)
	thaw()

	s.await("the thawed container has ended", func() error { return s.hasRestarted(first) })
	s.awaitPods(2)
	if now := s.awaitLeader(); now.token != second.token {
		t.Errorf("%s leads, with the fencing token %d, want still %s with %d", now.name(), now.token, second.pod, second.token)
	}
}

func TestNodeThatIsCutOff_EndsItsCommandBeforeAnotherStarts(t *testing.T) {
	needHost(t)
	for name, fault := range map[string]struct {
		make, undo func(*cluster.Node, context.Context) error
	}{
		"from the API server": {(*cluster.Node).CutAPI, (*cluster.Node).MendAPI},
		"from everything":     {(*cluster.Node).Cut, (*cluster.Node).Mend},
	} {
		t.Run(name, func(t *testing.T) {
			s, host := breaking(t)
			s.recorder().install(apart, shortLease)
			url := s.serviceURL()
			first := s.awaitLeader()
			node := s.nodeOf(host, first)

			over := time.After(shortFaultLasts)
			s.must(fault.make(node, s.ctx))
			second := s.awaitServedByAnother(url, first)
			s.last(over)
			s.must(fault.undo(node, s.ctx))

			s.awaitPods(2)
			if now := s.awaitLeader(); now.token != second.token {
				t.Errorf("%s leads, with the fencing token %d, want still %s with %d", now.name(), now.token, second.pod, second.token)
			}
			runs := s.runs()
			if len(runs) != 2 || !runs[0].Ended || runs[0].Last >= runs[1].Started {
				t.Fatalf("runs %v, want two, the first of which had ended when the second started", runs)
			}
			t.Logf("the command had ended %s before the next one started", runs[1].Started-runs[0].Last)
		})
	}
}

// What the containers need goes on: their processes, their network and the API
// server. Nobody is there to look after them.
func TestNodeWithoutKubeletAndContainerd_LeadsOn(t *testing.T) {
	s, host := breaking(t)
	s.recorder().install(apart, shortLease)
	first := s.awaitLeader()
	node := s.nodeOf(host, first)
	for _, name := range []string{"kubelet", "containerd"} {
		component, err := node.Component(name)
		s.must(err)
		s.must(component.Kill(s.ctx))
	}
	s.awaitRenewals(10) // longer than a lease
	s.ledOn(first)
	for _, name := range []string{"containerd", "kubelet"} {
		s.must(restart(s.ctx, node.Component, name))
	}
	s.must(awaitKubelet(s.ctx, node.Name))
	s.awaitPods(2)
	s.awaitRenewals(2)
	s.ledOn(first)
}
