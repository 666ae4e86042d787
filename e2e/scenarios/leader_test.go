package scenarios

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leader is who leads, and with which fencing token.
type leader struct {
	pod   corev1.Pod
	token uint64
}

// name is the Pod's.
func (l leader) name() string { return l.pod.Name }

// awaitLeader waits until all agree on one leader: the Lease, the gates of all
// Pods, and the answers through the Service from every node.
func (s *scenario) awaitLeader() leader {
	s.t.Helper()
	var found leader
	s.await("all agree on one leader", func() (err error) {
		found, err = s.leads()
		return err
	})
	return found
}

// awaitSuccessor waits for the leader of a later term, whichever Pod it is.
func (s *scenario) awaitSuccessor(of leader) leader {
	s.t.Helper()
	var found leader
	s.await("somebody leads after "+of.name(), func() (err error) {
		found, err = s.leads()
		if err == nil && found.token == of.token {
			return fmt.Errorf("%s still leads", of.name())
		}
		return err
	})
	if found.token < of.token {
		s.t.Errorf("the fencing token went from %d back to %d", of.token, found.token)
	}
	return found
}

// leads is the leader, or what there is no agreement on.
func (s *scenario) leads() (leader, error) {
	lease, err := s.lease()
	if err != nil {
		return leader{}, err
	}
	holder := holderOf(lease)
	pods, err := s.pods()
	if err != nil {
		return leader{}, err
	}
	var found leader
	for _, pod := range pods {
		said := s.saysItLeads(pod.Name)
		if said != (pod.Name == holder) {
			return leader{}, fmt.Errorf("the Lease is held by %q, while Pod %s says of itself %t", holder, pod.Name, said)
		}
		if said {
			found.pod = pod
		}
	}
	if found.pod.Name == "" {
		return leader{}, fmt.Errorf("the Lease is held by %q, which is no Pod that is there", holder)
	}
	found.token, err = s.serves(holder)
	return found, err
}

// saysItLeads is the gate's own word; of one that does not answer it is a no.
func (s *scenario) saysItLeads(pod string) bool {
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	var code int
	site.viaPod(http.MethodGet, s.namespace, pod, "9999", "leader").Do(ctx).StatusCode(&code)
	return code == http.StatusOK
}

// answer is the recorder's to GET /.
var answer = regexp.MustCompile(`^(\S+), pid \d+, fencing token (\d+)\n$`)

// serves is nil if from every node the Service leads to the recorder of the Pod;
// then with its fencing token.
func (s *scenario) serves(pod string) (token uint64, err error) {
	readers, err := site.everyReader(s.ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range readers {
		text, err := site.askFrom(s.ctx, r, s.url)
		if err != nil {
			return 0, err
		}
		said := answer.FindStringSubmatch(text)
		if said == nil {
			return 0, fmt.Errorf("from %s the Service answers %q", r.node, text)
		}
		theirs, err := strconv.ParseUint(said[2], 10, 64)
		if err != nil {
			return 0, err
		}
		if said[1] != pod || (token != 0 && theirs != token) {
			return 0, fmt.Errorf("from %s the Service leads to %s, token %s, and not to %s", r.node, said[1], said[2], pod)
		}
		token = theirs
	}
	return token, nil
}

func (s *scenario) lease() (*coordinationv1.Lease, error) {
	return s.client.CoordinationV1().Leases(s.namespace).Get(s.ctx, "recorder", metav1.GetOptions{})
}

func holderOf(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// awaitHolder waits until a Pod holds the Lease, whether it serves or not.
func (s *scenario) awaitHolder(isWanted func(name string) bool) string {
	s.t.Helper()
	var holder string
	s.await("the Lease is held", func() error {
		lease, err := s.lease()
		if err != nil {
			return err
		}
		if holder = holderOf(lease); holder == "" || !isWanted(holder) {
			return fmt.Errorf("it is held by %q", holder)
		}
		return nil
	})
	return holder
}

// awaitRenewals waits until the Lease has been renewed so often, all by the same
// holder in one term.
func (s *scenario) awaitRenewals(count int) {
	s.t.Helper()
	first, err := s.lease()
	if err != nil {
		s.t.Fatal(err)
	}
	last := first.Spec.RenewTime
	s.await(fmt.Sprintf("the Lease is renewed %d times", count), func() error {
		now, err := s.lease()
		if err != nil {
			return err
		}
		if holderOf(now) != holderOf(first) || *now.Spec.LeaseTransitions != *first.Spec.LeaseTransitions {
			s.t.Fatalf("%q had the Lease, and now %q, after %d transitions in place of %d",
				holderOf(first), holderOf(now), *now.Spec.LeaseTransitions, *first.Spec.LeaseTransitions)
		}
		if !now.Spec.RenewTime.Equal(last) {
			last = now.Spec.RenewTime
			count--
		}
		if count > 0 {
			return fmt.Errorf("%d renewals are missing", count)
		}
		return nil
	})
}
