package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
	"github.com/k8s-await-election/k8s-await-election/e2e/outage"
)

// interval is how often the client of the figures asks.
const interval = 20 * time.Millisecond

// heirAnnotation is where a gate names who has the first turn after it.
const heirAnnotation = "k8s-await-election/heir"

// outages are the figures that a client measures. Reach is in milliseconds.
var outages = []struct {
	name, title, theirs string
	reach               float64
	measure             func(*testing.T) []float64
}{
	{"rollout_restart", "rollout restart", "16.4 s", 300, func(t *testing.T) []float64 {
		return whileOneLeads(t, (*scenario).restartRollout)
	}},
	{"pod_deleted", "leader Pod deleted", "18.8 s", 300, func(t *testing.T) []float64 {
		return whileOneLeads(t, func(s *scenario, _ *cluster.Cluster, first leader) {
			s.deletePod(first, nil)
			s.awaitPods(2)
		})
	}},
	{"app_killed", "app killed in the leader", "0.9 s", 200, func(t *testing.T) []float64 {
		return whileOneLeads(t, (*scenario).killApp)
	}},
	{"node_frozen", "leader's node frozen, 15 s lease", "16.1 s", 15300, func(t *testing.T) []float64 {
		return whileFrozen(t, "15s")
	}},
	{"node_frozen_3s", "leader's node frozen, 3 s lease", "", 3300, func(t *testing.T) []float64 {
		return whileFrozen(t, "3s")
	}},
}

// whileOneLeads measures in one release again and again.
func whileOneLeads(t *testing.T, act func(*scenario, *cluster.Cluster, leader)) (samples []float64) {
	host := needHost(t)
	s := begin(t, nil)
	s.recorder().install(apart)
	url := s.serviceURL()
	for len(samples) < *figureRuns {
		longest, valid := s.outage(url, s.settled(), func(first leader) { act(s, host, first) })
		if valid {
			samples = append(samples, longest)
		}
	}
	return samples
}

func whileFrozen(t *testing.T, lease string) (samples []float64) {
	s, host := breaking(t)
	s.recorder().install(apart, fmt.Sprintf("election: {leaseDuration: %s}", lease))
	url := s.serviceURL()
	for len(samples) < min(3, *figureRuns) {
		first := s.settled()
		node := s.nodeOf(host, first)
		var thaw func()
		longest, valid := s.outage(url, first, func(leader) { thaw = s.freeze(node, first) })
		if valid {
			samples = append(samples, longest)
		}
		thaw()
		s.await("the thawed container has ended", func() error { return s.hasRestarted(first) })
	}
	return samples
}

// settled waits until the next one is named, as it is soon after each change, and
// nothing of an earlier change is under way in the network.
func (s *scenario) settled() leader {
	s.t.Helper()
	s.awaitPods(2)
	first := s.awaitLeader()
	s.await("another Pod is the heir of "+first.name(), func() error {
		lease, err := s.lease()
		if err != nil {
			return err
		}
		pods, err := s.pods()
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if pod.UID != first.pod.UID && strings.Contains(lease.Annotations[heirAnnotation], pod.Name) {
				return nil
			}
		}
		return errors.New("there is none")
	})
	s.last(time.After(2 * time.Second))
	return first
}

// outage is the longest time, in milliseconds, for which the Service does not
// answer while the leader is done away with. It is not valid where the client was
// not running all of the time, as on a machine that is paused by what it runs on.
func (s *scenario) outage(url string, first leader, act func(leader)) (longest float64, valid bool) {
	s.t.Helper()
	const before, after = 25, 50 // answers
	var others atomic.Int64      // answers of a later term
	client := outage.Start(s.ctx, interval, func(ctx context.Context) error {
		by, err := askFromHost(ctx, url)
		if err == nil && by.token > first.token {
			others.Add(1)
		}
		return err
	})
	s.await("the Service answers", func() error {
		if count := client.Answers(); count < before {
			return fmt.Errorf("%d answers", count)
		}
		return nil
	})
	act(first)
	s.await("another one answers", func() error {
		if count := others.Load(); count < after {
			return fmt.Errorf("%d answers", count)
		}
		return nil
	})
	outage, paused := client.Stop()
	longest, valid = ms(outage), paused < 10*interval
	// Each as it comes: it takes minutes.
	fmt.Printf("%s: no answer for %s\n", s.t.Name(), span(longest))
	if !valid {
		fmt.Printf("%s: not counted, because nobody asked for %s: this machine stood still\n", s.t.Name(), span(ms(paused)))
	}
	return longest, valid
}

func (s *scenario) restartRollout(*cluster.Cluster, leader) {
	s.t.Helper()
	s.kubectl("rollout", "restart", "deployment/recorder")
	s.kubectl("rollout", "status", "deployment/recorder", "--timeout="+patience.String())
	s.awaitPods(2)
}

// killApp kills what the leader's gate has started.
func (s *scenario) killApp(host *cluster.Cluster, first leader) {
	s.t.Helper()
	pids, err := s.nodeOf(host, first).Processes(first.pod.Status.ContainerStatuses[0].ContainerID)
	s.must(err)
	gate, err := firstOfItsNamespace(pids)
	s.must(err)
	for _, pid := range pids {
		if pid != gate {
			s.must(syscall.Kill(pid, syscall.SIGKILL))
		}
	}
}
