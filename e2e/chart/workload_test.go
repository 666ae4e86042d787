package chart

import (
	"path"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workload is what a Deployment and a StatefulSet have in common.
type workload struct {
	name     string
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
	// claims are the names of the volumes that each Pod has for itself.
	claims []string
}

func workloadOf(t *testing.T, r *rendering) workload {
	t.Helper()
	var found []workload
	for _, d := range all[*appsv1.Deployment](r) {
		found = append(found, workload{d.Name, d.Spec.Selector, d.Spec.Template, nil})
	}
	for _, s := range all[*appsv1.StatefulSet](r) {
		var claims []string
		for _, claim := range s.Spec.VolumeClaimTemplates {
			claims = append(claims, claim.Name)
		}
		found = append(found, workload{s.Name, s.Spec.Selector, s.Spec.Template, claims})
	}
	if len(found) != 1 {
		t.Fatalf("%d workloads, want 1", len(found))
	}
	return found[0]
}

const program = "k8s-await-election"

// app is the container of the user's image.
func (w workload) app(t *testing.T) corev1.Container {
	t.Helper()
	return w.template.Spec.Containers[w.index(t, func(c corev1.Container) bool { return c.Name == "app" })]
}

func (w workload) index(t *testing.T, is func(corev1.Container) bool) int {
	t.Helper()
	i := slices.IndexFunc(w.template.Spec.Containers, is)
	if i < 0 {
		t.Fatal("no such container")
	}
	return i
}

// isGated tells whether the app's command is behind the gate.
func (w workload) isGated() bool { return slices.ContainsFunc(w.template.Spec.Containers, isGated) }

func isGated(c corev1.Container) bool {
	return len(c.Command) > 0 && path.Base(c.Command[0]) == program
}

// isSidecar tells whether a container is the program without a command.
func isSidecar(c corev1.Container) bool {
	return c.Name == program && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// elected is the container that stands for election: it runs the gate, or is the
// sidecar.
func (w workload) elected(t *testing.T) corev1.Container {
	t.Helper()
	for _, c := range w.template.Spec.InitContainers {
		if isSidecar(c) {
			return c
		}
	}
	return w.template.Spec.Containers[w.index(t, isGated)]
}

// own are all containers of the chart's own image.
func (w workload) own() []corev1.Container {
	var found []corev1.Container
	for _, c := range w.template.Spec.InitContainers {
		if c.Name == program {
			found = append(found, c)
		}
	}
	return found
}

// installer is the init container that brings the gate; nil: none does.
func (w workload) installer() *corev1.Container {
	for i, c := range w.template.Spec.InitContainers {
		if slices.Contains(c.Args, "--install") {
			return &w.template.Spec.InitContainers[i]
		}
	}
	return nil
}

// others are all containers but the elected one.
func (w workload) others() []corev1.Container {
	return slices.DeleteFunc(slices.Concat(w.template.Spec.InitContainers, w.template.Spec.Containers), func(c corev1.Container) bool {
		return isGated(c) || isSidecar(c)
	})
}

// pod is one that the workload's controller would make.
func (w workload) pod(namespace string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: w.name + "-0", Namespace: namespace,
			Labels: w.template.Labels, Annotations: w.template.Annotations,
		},
		Spec: *w.template.Spec.DeepCopy(),
	}
	for _, claim := range w.claims {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim + "-" + pod.Name},
		}})
	}
	return pod
}

// environment is what the process in the container finds, of what is set by
// value or from a field of the Pod. The rest is of files and other objects.
func environment(c corev1.Container, fields map[string]string) map[string]string {
	found := map[string]string{}
	for _, variable := range c.Env {
		switch {
		case variable.ValueFrom == nil:
			found[variable.Name] = expand(variable.Value, found)
		case variable.ValueFrom.FieldRef != nil:
			found[variable.Name] = fields[variable.ValueFrom.FieldRef.FieldPath]
		}
	}
	return found
}

// podFields are what the downward API tells a Pod of this name.
func podFields(namespace, name string) map[string]string {
	return map[string]string{
		"metadata.namespace": namespace, "metadata.name": name, "metadata.uid": "uid-of-" + name,
		"status.podIP": "10.0.0.7", "status.podIPs": "10.0.0.7,fd00::7", "status.hostIP": "10.1.0.1",
		"spec.nodeName": "node-1", "spec.serviceAccountName": "default",
	}
}

// expand replaces $(NAME) by a variable that is known already, and $$ by $, as
// the kubelet does.
func expand(text string, known map[string]string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			text = rest[1:]
			continue
		case strings.HasPrefix(rest, "("):
			name, after, closed := strings.Cut(rest[1:], ")")
			if value, is := known[name]; closed && is {
				b.WriteString(value)
				text = after
				continue
			}
		}
		b.WriteByte('$')
		text = rest
	}
}
