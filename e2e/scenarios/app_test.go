package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// recorderWith is the values file with further options of the recorder.
func recorderWith(options ...string) string {
	command := append([]string{"/recorder", "-dir", "/records", "-listen", ":8080"}, options...)
	return fmt.Sprintf("app: {command: [%s]}", strings.Join(quoted(command), ", "))
}

func quoted(words []string) []string {
	all := make([]string, 0, len(words))
	for _, word := range words {
		all = append(all, fmt.Sprintf("%q", word))
	}
	return all
}

// published are the addresses to which the Service of the recorder leads.
func (s *scenario) published() ([]string, error) {
	list, err := s.client.DiscoveryV1().EndpointSlices(s.namespace).List(s.ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=recorder",
	})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			if ready := endpoint.Conditions.Ready; ready == nil || *ready {
				all = append(all, endpoint.Addresses...)
			}
		}
	}
	return all, nil
}

func TestSlowApp_GetsTrafficWhenItIsReadyAndNotBefore(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	// It gets ready when it is told to be.
	s.recorder().installNow(recorderWith("-ready-after", "1h"))
	for previous := ""; ; {
		holder := s.awaitHolder(func(name string) bool { return name != previous })
		s.awaitRenewals(2)
		pod, err := s.client.CoreV1().Pods(s.namespace).Get(s.ctx, holder, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		addresses, err := s.published()
		if err != nil {
			t.Fatal(err)
		}
		if isReady(*pod) || slices.Contains(addresses, pod.Status.PodIP) {
			t.Errorf("%s is not ready, and traffic is led to it: Pod ready %t, published %q, its address %s",
				holder, isReady(*pod), addresses, pod.Status.PodIP)
		}
		if _, err := s.serves(holder); err == nil {
			t.Errorf("%s is not ready, and the Service leads to it", holder)
		}
		s.order(holder, "ready", map[string]string{"is": "true"})
		got := s.awaitLeader()
		if got.name() != holder {
			t.Errorf("%s leads, want %s", got.name(), holder)
		}
		if previous != "" {
			break
		}
		// Once more, with a predecessor that has been ready.
		previous = holder
		s.deletePod(got, nil)
	}
}

func TestFlappingApp_LosesItsTrafficAndKeepsTheLease(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install()
	first := s.awaitLeader()
	for range 3 {
		s.order(first.name(), "ready", map[string]string{"is": "false"})
		s.await("the Service leads to nobody", func() error {
			addresses, err := s.published()
			if err == nil && len(addresses) > 0 {
				return fmt.Errorf("it leads to %q", addresses)
			}
			return err
		})
		s.order(first.name(), "ready", map[string]string{"is": "true"})
		if now := s.awaitLeader(); now.token != first.token {
			t.Fatalf("%s leads, in another term than %s did", now.name(), first.name())
		}
	}
	if runs := s.runs(); len(runs) != 1 {
		t.Errorf("runs %v, want one", runs)
	}
}

func TestCrashingApp_IsStartedOnOnePodAfterTheOther(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().installNow(recorderWith("-fail-after", "300ms"))
	s.await("it has crashed six times, on both Pods", func() error {
		pods := map[string]bool{}
		runs := s.runs()
		for _, r := range runs {
			pods[r.Name] = true
		}
		if len(runs) < 6 || len(pods) < 2 {
			return fmt.Errorf("%d runs on %d Pods", len(runs), len(pods))
		}
		return nil
	})
}
