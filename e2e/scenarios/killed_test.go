package scenarios

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deletePod deletes the leader's Pod; grace is that of the command, 0 is --force.
func (s *scenario) deletePod(l leader, grace *int64) {
	s.t.Helper()
	err := s.client.CoreV1().Pods(s.namespace).Delete(s.ctx, l.name(), metav1.DeleteOptions{
		GracePeriodSeconds: grace, Preconditions: &metav1.Preconditions{UID: &l.pod.UID},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestDeletedLeader_HandsOver(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install()
	first := s.awaitLeader()
	s.deletePod(first, nil)
	if second := s.awaitSuccessor(first); second.name() == first.name() {
		t.Errorf("%s leads again", second.name())
	}
	s.awaitPods(2)
	if runs := s.runs(); len(runs) != 2 || !runs[0].Ended {
		t.Errorf("runs %v, want two, the first of which was not killed", runs)
	}
}

func TestLeaderDeletedByForce_IsFollowed(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install()
	first := s.awaitLeader()
	s.deletePod(first, new(int64))
	if second := s.awaitSuccessor(first); second.name() == first.name() {
		t.Errorf("%s leads again", second.name())
	}
	s.awaitPods(2)
}

// The container is restarted, in the network namespace that its Pod has kept, so
// that it need not wait for its own lease to run out.
func TestKilledGate_LeadsAgainInItsPod(t *testing.T) {
	host := needHost(t)
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install()
	first := s.awaitLeader()
	node, err := host.Node(first.pod.Spec.NodeName)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := node.Processes(first.pod.Status.ContainerStatuses[0].ContainerID)
	if err != nil {
		t.Fatal(err)
	}
	gate, err := firstOfItsNamespace(pids)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(gate, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.awaitLedAgainByItsPod(first)
	if runs := s.runs(); len(runs) != 2 || runs[0].Ended {
		t.Errorf("runs %v, want two, the first of which was killed", runs)
	}
}

// awaitLedAgainByItsPod waits for the leader of a later term, and wants it to be the
// same Pod, whose container has been restarted once. The kubelet tells of that later
// than the gate leads.
func (s *scenario) awaitLedAgainByItsPod(first leader) *corev1.Pod {
	s.t.Helper()
	if second := s.awaitSuccessor(first); second.pod.UID != first.pod.UID {
		s.t.Fatalf("%s leads, want %s again", second.name(), first.name())
	}
	var pod *corev1.Pod
	s.await("the Pod tells of one restart", func() (err error) {
		pod, err = s.client.CoreV1().Pods(s.namespace).Get(s.ctx, first.name(), metav1.GetOptions{})
		if err == nil && restarts(*pod) != 1 {
			return fmt.Errorf("it tells of %d", restarts(*pod))
		}
		return err
	})
	return pod
}

// firstOfItsNamespace finds the process that is 1 in its container.
func firstOfItsNamespace(pids []int) (int, error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if ids, is := strings.CutPrefix(line, "NSpid:"); is && strings.HasSuffix(strings.TrimSpace(ids), "\t1") {
				return pid, nil
			}
		}
	}
	return 0, fmt.Errorf("none of the processes %v is the first of a container", pids)
}

func restarts(pod corev1.Pod) int32 { return pod.Status.ContainerStatuses[0].RestartCount }

// There is one Pod alone: where the kernel kills the command and not the gate with
// it, the gate releases the Lease, and a standby would lead.
func TestCommandOutOfMemory_LeadsAgainInItsPod(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install("replicas: 1", "app: {resources: {limits: {memory: 64Mi}}}")
	first := s.awaitLeader()
	s.order(first.name(), "memory", nil)
	last := s.awaitLedAgainByItsPod(first).Status.ContainerStatuses[0].LastTerminationState.Terminated
	if last == nil || last.ExitCode != 137 {
		t.Errorf("the container ended with %v, want exit code 137, which is of a killed command", last)
	}
}

// The Pod that comes has the name of the one that goes, and so its identity in the
// Lease; while the old command takes its time, the new one has to wait.
func TestStatefulSetPodDeletedByForce_IsNotTakenForItsSuccessor(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install("kind: StatefulSet", "replicas: 1", recorderWith("-linger", "1m"))
	first := s.awaitLeader()
	s.deletePod(first, new(int64))
	second := s.awaitSuccessor(first)
	if second.name() != first.name() || second.pod.UID == first.pod.UID {
		t.Errorf("%s (%s) leads, want another Pod with the name of %s (%s)", second.name(), second.pod.UID, first.name(), first.pod.UID)
	}
}
