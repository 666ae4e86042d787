package scenarios

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// example is one way of the README of examples/redis or examples/nginx.
type example struct {
	name string
	// labels are the namespace's.
	labels map[string]string
	// run does what the README says.
	run func(s *scenario, app string)
}

var examples = []example{
	{"by the chart", nil, byChart("values.yaml")},
	{"by the chart, not root", restricted, byChart("values.yaml", "values-nonroot.yaml")},
	{"by manifests", nil, byKubectl("-f", "manifests.yaml")},
	{"by the component", restricted, byKubectl("-k", "kustomize")},
}

func inExample(app, name string) string { return filepath.Join("..", "..", "examples", app, name) }

func byChart(files ...string) func(*scenario, string) {
	return func(s *scenario, app string) {
		s.t.Helper()
		var paths []string
		for _, file := range files {
			paths = append(paths, inExample(app, file))
		}
		s.helm(app, paths...).install()
	}
}

func byKubectl(option, name string) func(*scenario, string) {
	return func(s *scenario, app string) {
		s.t.Helper()
		s.kubectl("apply", option, inExample(app, name))
		s.kubectl("rollout", "status", "deployment/"+app, "--timeout="+patience.String())
	}
}

func TestRedis_KeepsItsKeysWhenItsLeaderGoes(t *testing.T) {
	needCluster(t)
	t.Parallel()
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, e.labels)
			s.makeDataVolume("redis", "redis-data")
			e.run(s, "redis")
			first := s.exampleLeader("redis")
			// A client that is another Pod, and knows the Service alone.
			s.await("redis takes a key", func() error {
				said, err := s.redis(first, "SET", "fruit", "apple")
				if err == nil && said != "OK" {
					return fmt.Errorf("it says %q", said)
				}
				return err
			})
			s.kubectl("delete", "pod", first)
			s.await("redis still has the key", func() error {
				next := s.exampleLeader("redis")
				if next == first {
					return fmt.Errorf("%s still leads", first)
				}
				said, err := s.redis(next, "GET", "fruit")
				if err == nil && said != "apple" {
					return fmt.Errorf("it says %q", said)
				}
				return err
			})
		})
	}
}

func TestNginx_AnswersAlsoWhenItsLeaderGoes(t *testing.T) {
	needCluster(t)
	t.Parallel()
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, e.labels)
			e.run(s, "nginx")
			first := s.exampleLeader("nginx")
			s.awaitNginx(first)
			s.kubectl("delete", "pod", first)
			s.await("another Pod leads", func() error {
				if next := s.exampleLeader("nginx"); next == first {
					return fmt.Errorf("%s still leads", first)
				}
				return nil
			})
			s.awaitNginx(s.exampleLeader("nginx"))
		})
	}
}

// awaitNginx waits until the Service leads to the leader, and it answers.
func (s *scenario) awaitNginx(leader string) {
	s.t.Helper()
	s.await(leader+" answers", func() error {
		slice, err := s.client.DiscoveryV1().EndpointSlices(s.namespace).Get(s.ctx, "nginx-ipv4", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(slice.Endpoints) != 1 || slice.Endpoints[0].TargetRef == nil || slice.Endpoints[0].TargetRef.Name != leader {
			return fmt.Errorf("the Service leads to %v", slice.Endpoints)
		}
		readers, err := site.everyReader(s.ctx)
		if err != nil {
			return err
		}
		for _, r := range readers {
			page, err := site.askFrom(s.ctx, r, "http://nginx."+s.namespace+".svc.cluster.local/")
			if err != nil {
				return err
			}
			if !strings.Contains(page, "Welcome to nginx") {
				return fmt.Errorf("from %s it answers %q", r.node, page)
			}
		}
		return nil
	})
}

// exampleLeader is the holder of an example's Lease.
func (s *scenario) exampleLeader(app string) string {
	s.t.Helper()
	var holder string
	s.await("the Lease "+app+" is held", func() error {
		lease, err := s.client.CoordinationV1().Leases(s.namespace).Get(s.ctx, app, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if holder = holderOf(lease); holder == "" {
			return fmt.Errorf("by nobody")
		}
		return nil
	})
	return holder
}

// redis asks through the Service, from a ready Pod that does not lead.
func (s *scenario) redis(leader string, command ...string) (string, error) {
	pods, err := s.client.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(pods.Items, func(pod corev1.Pod) bool { return pod.Name != leader && isReady(pod) })
	if i < 0 {
		return "", fmt.Errorf("no other Pod than %s is ready", leader)
	}
	said, err := s.tryKubectl(append([]string{"exec", pods.Items[i].Name, "--", "redis-cli", "-e", "-h", "redis"}, command...)...)
	return strings.TrimSpace(said), err
}

// makeDataVolume makes a volume for each of the claims, of which an example has
// one. It stands in for a file server: it is a directory of one node, on which all
// Pods then run.
func (s *scenario) makeDataVolume(claims ...string) {
	s.t.Helper()
	s.makeFolder()
	readers, err := site.everyReader(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	kind := corev1.HostPathDirectory
	for _, claim := range claims {
		s.bind(&corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
			Capacity:         corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			StorageClassName: s.defaultClass(),
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{
				Path: path.Join(recordsRoot, s.namespace), Type: &kind,
			}},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{readers[0].node},
				}},
			}}}},
		}}, claim)
	}
}

// defaultClass is the storage class of claims that name none; "" without one.
func (s *scenario) defaultClass() string {
	s.t.Helper()
	classes, err := s.client.StorageV1().StorageClasses().List(s.ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, class := range classes.Items {
		if class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return class.Name
		}
	}
	return ""
}
