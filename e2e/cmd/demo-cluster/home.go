package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// mark is on the namespace, which is the demo's to remove then.
var mark = map[string]string{"app.kubernetes.io/managed-by": "demo-cluster"}

// makeHome makes the namespace and, in it, the claim for the data.
func (d *demo) makeHome(ctx context.Context) error {
	home, err := d.place.client.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: mark}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make the namespace: %w", err)
	}
	text, err := os.ReadFile(volumeFile)
	if err != nil {
		return fmt.Errorf("read the volume: %w", err)
	}
	volume, claim, err := readVolume(text, home, d.options.storageClass)
	if err != nil {
		return fmt.Errorf("%s: %w", volumeFile, err)
	}
	if volume != nil {
		if _, err := d.place.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make the volume: %w", err)
		}
	}
	if _, err := d.place.client.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, claim, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("claim the volume: %w", err)
	}
	return nil
}

// readVolume reads volume.yaml. The volume is for the namespace's claim alone and
// goes with the namespace; with a storage class there is none but the claim.
func readVolume(text []byte, home *corev1.Namespace, class string) (*corev1.PersistentVolume, *corev1.PersistentVolumeClaim, error) {
	first, second, _ := bytes.Cut(text, []byte("\n---\n"))
	var volume corev1.PersistentVolume
	if err := yaml.UnmarshalStrict(first, &volume); err != nil {
		return nil, nil, err
	}
	var claim corev1.PersistentVolumeClaim
	if err := yaml.UnmarshalStrict(second, &claim); err != nil {
		return nil, nil, err
	}
	if class != "" {
		claim.Spec.StorageClassName, claim.Spec.VolumeName = &class, ""
		return nil, &claim, nil
	}
	volume.Name = home.Name
	volume.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Namespace", Name: home.Name, UID: home.UID}}
	volume.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: home.Name, Name: claim.Name}
	claim.Spec.VolumeName = volume.Name
	return &volume, &claim, nil
}

// cleanUp removes all that a demo has made, this one or one that was killed.
func (d *demo) cleanUp(ctx context.Context) error {
	if err := d.thaw(); err != nil {
		return err
	}
	if d.place.broughtUp {
		return nil // it is taken down, with all that is on it
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*patience, fmt.Errorf("not within %s", 2*patience))
	defer cancel()
	spaces := d.place.client.CoreV1().Namespaces()
	home, err := spaces.Get(ctx, namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	for label, value := range mark {
		if home.Labels[label] != value {
			return fmt.Errorf("there is a namespace %s that is not the demo's: it has no label %s=%s", namespace, label, value)
		}
	}
	d.screen.state("Cleaning up …")
	if home.DeletionTimestamp == nil {
		// What fails here must not keep the namespace.
		err = errors.Join(d.uninstall(), d.removeData(ctx), spaces.Delete(ctx, namespace, metav1.DeleteOptions{}))
	}
	if err := errors.Join(err, d.awaitGone(ctx)); err != nil {
		return err
	}
	d.screen.say("The namespace %s is removed, with all that was in it.", namespace)
	return nil
}

// awaitGone waits for the namespace, and for the volume, which follows it.
func (d *demo) awaitGone(ctx context.Context) error {
	core := d.place.client.CoreV1()
	err := cluster.Poll(ctx, pollPause, func() error {
		_, space := core.Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		_, volume := core.PersistentVolumes().Get(ctx, namespace, metav1.GetOptions{})
		if !apierrors.IsNotFound(space) || !apierrors.IsNotFound(volume) {
			return errors.New("the namespace or its volume is still there")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// removeData empties the shared directory of what redis has written. Where there
// is no volume, redis has written nothing.
func (d *demo) removeData(ctx context.Context) error {
	const atMost = 30 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, fmt.Errorf("not within %s", atMost))
	defer cancel()
	claim, err := d.place.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, data, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || (err == nil && claim.Status.Phase != corev1.ClaimBound) {
		return nil
	}
	pods := d.place.client.CoreV1().Pods(namespace)
	if err == nil {
		_, err = pods.Create(ctx, d.cleaner(), metav1.CreateOptions{})
	}
	if err == nil {
		err = cluster.Poll(ctx, pollPause, func() error {
			pod, err := pods.Get(ctx, "cleaner", metav1.GetOptions{})
			if err == nil && pod.Status.Phase != corev1.PodSucceeded {
				err = fmt.Errorf("the cleaner is %s", pod.Status.Phase)
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("remove the data of redis: %w", err)
	}
	return nil
}

// cleaner is a Pod that removes what redis has written.
func (d *demo) cleaner() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "cleaner"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "cleaner", Image: cmp.Or(d.image, image), ImagePullPolicy: corev1.PullIfNotPresent,
				Command:      []string{"rm", "-rf", "/volume/redis"},
				VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/volume"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: data},
			}}},
		},
	}
}

// complaints are the warnings that the cluster has about the demo's objects.
func (d *demo) complaints(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	events, err := d.place.client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, e := range events.Items {
		fmt.Fprintf(&b, "\n%s %s: %s", e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message)
	}
	return b.String()
}
