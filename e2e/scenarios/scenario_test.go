package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"
)

// runLabel is on the namespaces of scenarios; its value tells the run.
const runLabel = "k8s-await-election/scenarios"

func ofThisRun() string { return runLabel + "=" + site.readers }

// scenario is one namespace, and what a test does in it. Whatever fails ends the
// test; its namespace goes in any case.
type scenario struct {
	t *testing.T
	// ctx ends with the test, or when the run is interrupted.
	ctx       context.Context
	client    kubernetes.Interface
	namespace string
	// folder lasts until the proof at the end is made.
	folder string
	// url is that of the recorder's Service, for Pods of any namespace.
	url string
	// records are files of runs outside of the cluster that belong to it too.
	records []string
	// ungated tells that the election is turned off: an overlap has to be found.
	ungated bool
	// frozen are the times for which it has frozen a leader's node.
	frozen []frozen

	hasRecorder bool
}

// begin makes a namespace, with the labels.
func begin(t *testing.T, labels map[string]string) *scenario {
	t.Helper()
	needCluster(t)
	if site.interrupted.Err() != nil {
		t.Skip("interrupted")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := context.AfterFunc(site.interrupted, func() { cancel(context.Cause(site.interrupted)) })
	all := map[string]string{runLabel: site.readers}
	maps.Copy(all, labels)
	ns, err := site.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "scenario-", Labels: all, Annotations: map[string]string{"k8s-await-election/test": t.Name()},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{
		t: t, ctx: ctx, client: site.client, namespace: ns.Name,
		folder: t.TempDir(), // before the clean-up below, so that it goes after that
		url:    "http://recorder." + ns.Name + ".svc.cluster.local:8080/",
	}
	t.Cleanup(func() {
		stop()
		cancel(nil)
		s.end()
	})
	return s
}

// end proves what every scenario has to prove, tells how it was if it failed, and
// removes the namespace. It does not wait for that: the run does, at its end.
func (s *scenario) end() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
	defer cancel()
	if s.hasRecorder {
		s.proveNeverTwo(ctx)
	}
	if s.t.Failed() {
		s.report(ctx)
	}
	// A command that has been told to take its time need not have it now.
	soon := int64(2)
	if err := s.client.CoreV1().Pods(s.namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &soon}, metav1.ListOptions{}); err != nil {
		s.t.Errorf("end the Pods: %v", err)
	}
	if err := s.client.CoreV1().Namespaces().Delete(ctx, s.namespace, metav1.DeleteOptions{}); err != nil {
		s.t.Errorf("remove the namespace: %v", err)
	}
}

// makeVolume makes the recorder's volume, as volume.yaml has it, but in a directory
// of this namespace.
func (s *scenario) makeVolume() {
	s.t.Helper()
	s.hasRecorder = true
	s.makeFolder()
	text, err := os.ReadFile(filepath.Join(recorderFolder, "volume.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	first, second, _ := bytes.Cut(text, []byte("\n---\n"))
	var volume corev1.PersistentVolume
	var claim corev1.PersistentVolumeClaim
	if err := yaml.UnmarshalStrict(first, &volume); err != nil {
		s.t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(second, &claim); err != nil {
		s.t.Fatal(err)
	}
	volume.Spec.HostPath.Path = path.Join(recordsRoot, s.namespace)
	s.bind(&volume, claim.Name)
	claim.Spec.VolumeName = volume.Name
	if _, err := s.client.CoreV1().PersistentVolumeClaims(s.namespace).Create(s.ctx, &claim, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// bind makes a volume that is for a claim of this namespace alone, and goes with
// the namespace.
func (s *scenario) bind(volume *corev1.PersistentVolume, claim string) {
	s.t.Helper()
	ns, err := s.client.CoreV1().Namespaces().Get(s.ctx, s.namespace, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	volume.Name = s.namespace + "-" + claim
	volume.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Namespace", Name: ns.Name, UID: ns.UID}}
	volume.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: s.namespace, Name: claim}
	if _, err := s.client.CoreV1().PersistentVolumes().Create(s.ctx, volume, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// makeFolder makes a directory of this namespace on every node, which Pods of any
// user may write to.
func (s *scenario) makeFolder() {
	s.t.Helper()
	readers, err := site.everyReader(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range readers {
		if text, err := site.request(r, http.MethodPost, "records/"+s.namespace).DoRaw(s.ctx); err != nil {
			s.t.Fatalf("make the directory on %s: %v (%s)", r.node, err, text)
		}
	}
	s.t.Cleanup(func() { site.addFolder(s.namespace) })
}

// order sends an order to the recorder of a Pod, and returns its answer.
func (s *scenario) order(pod, what string, parameters map[string]string) string {
	s.t.Helper()
	request := site.viaPod(http.MethodPost, s.namespace, pod, "8080", what)
	for name, value := range parameters {
		request = request.Param(name, value)
	}
	text, err := request.DoRaw(s.ctx)
	if err != nil {
		s.t.Fatalf("order %s of %s: %v (%s)", what, pod, err, text)
	}
	return string(text)
}

// pods are those of the recorder's release, whatever their state.
func (s *scenario) pods() ([]corev1.Pod, error) {
	list, err := s.client.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=recorder,app.kubernetes.io/name=k8s-await-election"})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// awaitPods waits until the recorder's release has exactly so many Pods, and all
// of them are ready.
func (s *scenario) awaitPods(count int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d Pods are there and ready", count), func() error {
		pods, err := s.pods()
		if err != nil {
			return err
		}
		ready := 0
		for _, pod := range pods {
			if isReady(pod) {
				ready++
			}
		}
		if len(pods) != count || ready != count {
			return fmt.Errorf("%d of %d are ready", ready, len(pods))
		}
		return nil
	})
}

func isReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}
