package scenarios

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestInstall_EndsWithOneLeaderThatAnswersAndPassesItsTest(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	release := s.recorder()
	release.install()
	s.awaitPods(2)
	first := s.awaitLeader()
	s.awaitRenewals(2)
	release.test()
	if runs := s.runs(); len(runs) != 1 || runs[0].Name != first.name() {
		t.Errorf("runs %v, want one, of %s", runs, first.name())
	}
}

func TestScale_KeepsTheLeaderUpwardsAndLeavesOneDownwards(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	release := s.recorder()
	release.install("replicas: 1")
	first := s.awaitLeader()
	release.upgrade("replicas: 5")
	s.awaitPods(5)
	if now := s.awaitLeader(); now.token != first.token {
		t.Errorf("%s led, and with more Pods %s does", first.name(), now.name())
	}
	release.upgrade("replicas: 2")
	s.awaitPods(2)
	s.awaitLeader()
}

func TestRolloutRestart_EndsWithALeaderAmongTheNewPods(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install()
	first := s.awaitLeader()
	s.kubectl("rollout", "restart", "deployment/recorder")
	s.kubectl("rollout", "status", "deployment/recorder", "--timeout="+patience.String())
	s.awaitPods(2)
	second := s.awaitSuccessor(first)
	if second.pod.Labels["pod-template-hash"] == first.pod.Labels["pod-template-hash"] {
		t.Errorf("%s leads, a Pod from before the restart", second.name())
	}
}

func TestUpgradeAndRollback_MoveTheLeadershipToPodsWithTheValues(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	release := s.recorder()
	release.install("app: {env: {COLOUR: red}}")
	first := s.awaitLeader()
	release.upgrade("app: {env: {COLOUR: blue}}", "commonLabels: {team: shop}", "election: {leaseDuration: 20s}")
	s.awaitPods(2)
	second := s.awaitSuccessor(first)
	release.rollback(1)
	s.awaitPods(2)
	third := s.awaitSuccessor(second)
	for i, l := range []leader{first, second, third} {
		if got, want := variable(l.pod, "COLOUR"), []string{"red", "blue", "red"}[i]; got != want {
			t.Errorf("leader %d has the values with %q, want %q", i+1, got, want)
		}
	}
}

// variable is an environment variable of the app.
func variable(pod corev1.Pod, name string) string {
	all := pod.Spec.Containers[0].Env
	i := slices.IndexFunc(all, func(v corev1.EnvVar) bool { return v.Name == name })
	if i < 0 {
		return ""
	}
	return all[i].Value
}

func TestRestricted_NamespaceTakesTheRelease(t *testing.T) {
	t.Parallel()
	s := begin(t, restricted)
	release := s.recorder()
	release.install()
	first := s.awaitLeader()
	release.test()
	s.deletePod(first, nil)
	s.awaitSuccessor(first)
	// Or nothing would have been shown.
	if err := s.tryPrivilegedPod(); err == nil {
		t.Error("the namespace takes a privileged Pod")
	}
}
