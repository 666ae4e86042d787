package scenarios

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An Endpoints object that an older tool has left would get its share of the
// clients, as the control plane mirrors it. So it has to be what the leader writes.
func TestEndpointsOfAnOlderTool_AreWhatTheLeaderWrites(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	_, err := s.client.CoreV1().Endpoints(s.namespace).Create(s.ctx, &corev1.Endpoints{
		ObjectMeta: metav1.ObjectMeta{Name: "recorder"},
		Subsets: []corev1.EndpointSubset{{
			Addresses: []corev1.EndpointAddress{{IP: "192.0.2.1"}}, // nobody's
			Ports:     []corev1.EndpointPort{{Name: "http", Port: 8080}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.recorder().install()
	first := s.awaitLeader()
	s.checkEndpoints(first)
	s.deletePod(first, nil)
	s.checkEndpoints(s.awaitSuccessor(first))
}

// checkEndpoints wants the leader's address in the Endpoints, and in slices those
// that the control plane makes of them.
func (s *scenario) checkEndpoints(l leader) {
	s.t.Helper()
	endpoints, err := s.client.CoreV1().Endpoints(s.namespace).Get(s.ctx, "recorder", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var addresses []string
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			addresses = append(addresses, address.IP)
		}
	}
	if want := addressesOf(l.pod); !slices.Equal(addresses, want) {
		s.t.Errorf("the Endpoints lead to %q, want %q, which are the leader's", addresses, want)
	}
	list, err := s.client.DiscoveryV1().EndpointSlices(s.namespace).List(s.ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, slice := range list.Items {
		if by := slice.Labels[discoveryv1.LabelManagedBy]; by != "endpointslicemirroring-controller.k8s.io" {
			s.t.Errorf("EndpointSlice %s is managed by %q, so there are two sources", slice.Name, by)
		}
	}
}

// addressesOf are the Pod's, of both families where it has them.
func addressesOf(pod corev1.Pod) []string {
	var all []string
	for _, address := range pod.Status.PodIPs {
		all = append(all, address.IP)
	}
	return all
}

func TestPodLabel_LeadsTheTrafficToTheLeader(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.recorder().install("service: {mode: podLabel}")
	first := s.awaitLeader()
	s.awaitLabelOn(first)
	s.deletePod(first, nil)
	second := s.awaitSuccessor(first)
	s.awaitPods(2)
	s.awaitLabelOn(second)
}

// awaitLabelOn waits until the leader's Pod has the label, and no other.
func (s *scenario) awaitLabelOn(l leader) {
	s.t.Helper()
	s.await("the leader alone has the label", func() error {
		pods, err := s.client.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "k8s-await-election/recorder=leader"})
		if err != nil {
			return err
		}
		var names []string
		for _, pod := range pods.Items {
			names = append(names, pod.Name)
		}
		if !slices.Equal(names, []string{l.name()}) {
			return fmt.Errorf("Pods %q have it, and %s leads", names, l.name())
		}
		return nil
	})
}

func TestDualStack_LeadsBothFamiliesToTheLeader(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	if !s.hasDualStack() {
		if site.host != nil && site.host.DualStack {
			t.Fatal("this cluster has two address families, and refuses a Service of both")
		}
		t.Skip("Services of this cluster have one address family")
	}
	s.recorder().install("service: {ipFamilyPolicy: RequireDualStack}")
	first := s.awaitLeader()
	s.awaitBothFamilies(first)
	s.deletePod(first, nil)
	s.awaitBothFamilies(s.awaitSuccessor(first))
}

func (s *scenario) hasDualStack() bool {
	s.t.Helper()
	both := corev1.IPFamilyPolicyRequireDualStack
	_, err := s.client.CoreV1().Services(s.namespace).Create(s.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "try"},
		Spec:       corev1.ServiceSpec{IPFamilyPolicy: &both, Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err == nil
}

// awaitBothFamilies asks at each of the Service's addresses, from every node.
func (s *scenario) awaitBothFamilies(l leader) {
	s.t.Helper()
	service, err := s.client.CoreV1().Services(s.namespace).Get(s.ctx, "recorder", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(service.Spec.ClusterIPs) != 2 || len(l.pod.Status.PodIPs) != 2 {
		s.t.Fatalf("the Service has %q, its leader %v, want two addresses each", service.Spec.ClusterIPs, l.pod.Status.PodIPs)
	}
	name := s.url
	defer func() { s.url = name }()
	for _, address := range service.Spec.ClusterIPs {
		s.url = "http://" + net.JoinHostPort(address, "8080") + "/"
		s.await(address+" leads to the leader", func() error {
			token, err := s.serves(l.name())
			if err == nil && token != l.token {
				return errors.New("it is of another term")
			}
			return err
		})
	}
}
