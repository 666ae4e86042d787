package scenarios

import (
	"bytes"
	"fmt"
	"os/exec"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// restricted makes a namespace enforce the Pod Security Standard of that name.
var restricted = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// tryPrivilegedPod pretends to make a Pod that a restricted namespace refuses.
func (s *scenario) tryPrivilegedPod() error {
	yes := true
	_, err := s.client.CoreV1().Pods(s.namespace).Create(s.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "privileged"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "it", Image: "none", SecurityContext: &corev1.SecurityContext{Privileged: &yes},
		}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// tryKubectl runs kubectl in the namespace, and returns what it prints.
func (s *scenario) tryKubectl(arguments ...string) (string, error) {
	command := exec.CommandContext(s.ctx, site.kubectl, append([]string{"--namespace=" + s.namespace}, arguments...)...)
	var said, complained bytes.Buffer
	command.Stdout, command.Stderr = &said, &complained
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("kubectl %q: %w: %s%s", arguments, err, &said, &complained)
	}
	return said.String(), nil
}

func (s *scenario) kubectl(arguments ...string) string {
	s.t.Helper()
	said, err := s.tryKubectl(arguments...)
	if err != nil {
		s.t.Fatal(err)
	}
	return said
}
