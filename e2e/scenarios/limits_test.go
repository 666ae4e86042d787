package scenarios

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"testing"
)

func TestCommandAtItsCPULimit_KeepsTheLease(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	const limit = 100 // of 1000 of a CPU
	s.recorder().install(fmt.Sprintf("app: {resources: {limits: {cpu: %dm}}}", limit))
	first := s.awaitLeader()
	s.order(first.name(), "cpu", nil)
	s.await("the limit is reached", func() error {
		used, err := s.usedCPU(first)
		if err == nil && used < 0.9*limit {
			return fmt.Errorf("%.0f of %d are used", used, limit)
		}
		return err
	})
	s.awaitRenewals(5)
	if now := s.awaitLeader(); now.token != first.token || restarts(now.pod) > 0 {
		t.Errorf("%s leads, after %d restarts, in another term than %s did", now.name(), restarts(now.pod), first.name())
	}
}

// usedCPU is what the leader's Pod has used lately, in thousandths of a CPU, as
// its kubelet says.
func (s *scenario) usedCPU(l leader) (float64, error) {
	text, err := s.client.CoreV1().RESTClient().Get().Resource("nodes").Name(l.pod.Spec.NodeName).
		SubResource("proxy").Suffix("stats/summary").DoRaw(s.ctx)
	if err != nil {
		return 0, err
	}
	var summary struct {
		Pods []struct {
			PodRef struct{ UID string }
			CPU    struct{ UsageNanoCores float64 }
		}
	}
	if err := json.Unmarshal(text, &summary); err != nil {
		return 0, err
	}
	for _, pod := range summary.Pods {
		if pod.PodRef.UID == string(l.pod.UID) {
			return pod.CPU.UsageNanoCores / 1e6, nil
		}
	}
	return 0, fmt.Errorf("the kubelet does not know the Pod %s", l.name())
}

func TestCommandAtItsProcessLimit_KeepsTheLease(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install()
	first := s.awaitLeader()
	limit := s.processLimit(first)
	if limit <= 0 {
		t.Skip("the kubelet of this cluster limits no Pod's processes (podPidsLimit)")
	}
	said := s.order(first.name(), "processes", map[string]string{"count": strconv.Itoa(limit)})
	if !regexp.MustCompile(`^\d+ of \d+, error: .*resource temporarily unavailable`).MatchString(said) {
		t.Fatalf("the limit of %d is not reached: %s", limit, said)
	}
	s.awaitRenewals(5)
	if now := s.awaitLeader(); now.token != first.token || restarts(now.pod) > 0 {
		t.Errorf("%s leads, after %d restarts, in another term than %s did", now.name(), restarts(now.pod), first.name())
	}
	// And it can still end the command, and all that it has started.
	s.deletePod(first, nil)
	s.awaitSuccessor(first)
}

// processLimit is that of each Pod on the leader's node.
func (s *scenario) processLimit(l leader) int {
	s.t.Helper()
	text, err := s.client.CoreV1().RESTClient().Get().Resource("nodes").Name(l.pod.Spec.NodeName).
		SubResource("proxy").Suffix("configz").DoRaw(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var configuration struct {
		Kubeletconfig struct{ PodPidsLimit int }
	}
	if err := json.Unmarshal(text, &configuration); err != nil {
		s.t.Fatal(err)
	}
	return configuration.Kubeletconfig.PodPidsLimit
}
