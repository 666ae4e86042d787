package kube

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/internal/kube"
)

const bothFamilies = "10.0.0.7,fd00::7"

var (
	sliceRights = []rbacv1.PolicyRule{
		rule("discovery.k8s.io", "endpointslices", "get watch create patch", "db-ipv4", "db-ipv6"),
		rule("", "services", "get", "db"), rule("", "endpoints", "get", "db"),
	}
	endpointsRights = []rbacv1.PolicyRule{
		rule("", "endpoints", "get watch update", "db"), rule("", "endpoints", "create"),
	}
)

// publisher makes one for the Pod with these addresses.
func publisher(t *testing.T, c *kube.Client, ns string, mode kube.PublishMode, addresses string, log *journal) *kube.Publisher {
	t.Helper()
	serviceOf(t, ns)
	var parsed []netip.Addr
	for address := range strings.SplitSeq(addresses, ",") {
		parsed = append(parsed, netip.MustParseAddr(address))
	}
	p, err := kube.NewPublisher(c, kube.PublisherOptions{
		Namespace: ns, Service: "db", Ports: []kube.Port{{Name: "sql", Port: 5432, Protocol: "TCP"}},
		Addresses: parsed, NodeName: "node-1", Pod: kube.Pod{Name: "db-0", UID: "uid-0"}, Mode: mode, Logger: log.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// publish runs it until the returned function is called, which waits.
func publish(t *testing.T, p *kube.Publisher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.Publish(ctx) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func getSlice(t *testing.T, ns, name string) *discoveryv1.EndpointSlice {
	t.Helper()
	slice, err := server.Client().DiscoveryV1().EndpointSlices(ns).Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return slice
}

func getEndpoints(t *testing.T, ns string) *corev1.Endpoints {
	t.Helper()
	endpoints, err := server.Client().CoreV1().Endpoints(ns).Get(t.Context(), "db", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return endpoints
}

// leadsTo is where a slice leads, "" where it is absent or empty.
func leadsTo(slice *discoveryv1.EndpointSlice) string {
	if slice == nil {
		return ""
	}
	var all []string
	for _, endpoint := range slice.Endpoints {
		all = append(all, endpoint.Addresses...)
	}
	return strings.Join(all, ",")
}

func endpointsLeadTo(endpoints *corev1.Endpoints) string {
	if endpoints == nil {
		return ""
	}
	var all []string
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			all = append(all, address.IP)
		}
	}
	return strings.Join(all, ",")
}

func awaitSlice(t *testing.T, ns, name, address string) *discoveryv1.EndpointSlice {
	t.Helper()
	var slice *discoveryv1.EndpointSlice
	eventually(t, fmt.Sprintf("%s leads to %q", name, address), func() bool {
		slice = getSlice(t, ns, name)
		return slice != nil && leadsTo(slice) == address
	})
	return slice
}

func awaitEndpoints(t *testing.T, ns, addresses string) *corev1.Endpoints {
	t.Helper()
	var endpoints *corev1.Endpoints
	eventually(t, fmt.Sprintf("endpoints lead to %q", addresses), func() bool {
		endpoints = getEndpoints(t, ns)
		return endpoints != nil && endpointsLeadTo(endpoints) == addresses
	})
	return endpoints
}

// serviceOf makes the Service of a namespace where it is not there yet.
func serviceOf(t *testing.T, ns string) types.UID {
	t.Helper()
	services := server.Client().CoreV1().Services(ns)
	service, err := services.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec:       corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{{Name: "sql", Port: 5432}}},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		service, err = services.Get(t.Context(), "db", metav1.GetOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return service.UID
}

// makeEndpoints leaves Endpoints behind as an older tool does.
func makeEndpoints(t *testing.T, ns string, labels map[string]string) {
	t.Helper()
	_, err := server.Client().CoreV1().Endpoints(ns).Create(t.Context(), &corev1.Endpoints{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Labels: labels},
		Subsets: []corev1.EndpointSubset{{
			Addresses: []corev1.EndpointAddress{{IP: "10.9.9.9"}}, Ports: []corev1.EndpointPort{{Name: "sql", Port: 5432}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPublisher_LeadsBothFamiliesHereWithRightsForTheSlicesNamesAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	uid := serviceOf(t, ns)
	log := &journal{}
	publish(t, publisher(t, user(t, ns, sliceRights...), ns, kube.PublishAuto, bothFamilies, log))
	node, ready, terminating, sql, tcp, port := "node-1", true, false, "sql", corev1.ProtocolTCP, int32(5432)
	for name, want := range map[string]struct {
		family  discoveryv1.AddressType
		address string
	}{
		"db-ipv4": {discoveryv1.AddressTypeIPv4, "10.0.0.7"},
		"db-ipv6": {discoveryv1.AddressTypeIPv6, "fd00::7"},
	} {
		slice := awaitSlice(t, ns, name, want.address)
		wantEndpoints := []discoveryv1.Endpoint{{
			Addresses: []string{want.address}, NodeName: &node,
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &ready, Terminating: &terminating},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: ns, Name: "db-0", UID: "uid-0"},
		}}
		if !reflect.DeepEqual(slice.Endpoints, wantEndpoints) || slice.AddressType != want.family {
			t.Errorf("%s: %s %s", name, slice.AddressType, asJSON(t, slice.Endpoints))
		}
		if !reflect.DeepEqual(slice.Ports, []discoveryv1.EndpointPort{{Name: &sql, Protocol: &tcp, Port: &port}}) {
			t.Errorf("%s: ports %s", name, asJSON(t, slice.Ports))
		}
		if slice.Labels[discoveryv1.LabelServiceName] != "db" || slice.Labels[discoveryv1.LabelManagedBy] != "k8s-await-election" {
			t.Errorf("%s: labels %v", name, slice.Labels)
		}
		if len(slice.OwnerReferences) != 1 || slice.OwnerReferences[0].UID != uid || slice.OwnerReferences[0].Kind != "Service" {
			t.Errorf("%s: owners %v", name, slice.OwnerReferences)
		}
	}
	if getEndpoints(t, ns) != nil {
		t.Error("there are Endpoints too")
	}
	eventually(t, "both are told of", func() bool { return strings.Count(log.String(), `msg="traffic leads here"`) == 2 })
	if strings.Contains(log.String(), "level=WARN") {
		t.Errorf("warnings:\n%s", log)
	}
}

func TestPublisher_TakesTheTrafficOverInOneWriteAndTheOneWhoLeftDoesNotRemoveIt(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	one := publisher(t, admin(t), ns, kube.PublishSlices, "10.0.0.7", &journal{})
	stop := publish(t, one)
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	stop()
	publish(t, publisher(t, admin(t), ns, kube.PublishSlices, "10.0.0.8", &journal{}))
	awaitSlice(t, ns, "db-ipv4", "10.0.0.8")
	if err := one.Empty(t.Context(), false); err != nil {
		t.Error(err)
	}
	if got := leadsTo(getSlice(t, ns, "db-ipv4")); got != "10.0.0.8" {
		t.Errorf("the slice leads to %q", got)
	}
}

// Between the read and the write of Empty the successor publishes.
func TestPublisher_ALateEmptyDoesNotRemoveTheSuccessor(t *testing.T) {
	t.Parallel()
	for mode, method := range map[kube.PublishMode]string{kube.PublishSlices: http.MethodPatch, kube.PublishEndpoints: http.MethodPut} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			answers := intercept(t)
			one := publisher(t, client(t, answers.Config()), ns, mode, "10.0.0.7", &journal{})
			stop := publish(t, one)
			leads := func(address string) func() bool {
				return func() bool {
					return leadsTo(getSlice(t, ns, "db-ipv4")) == address || endpointsLeadTo(getEndpoints(t, ns)) == address
				}
			}
			eventually(t, "published", leads("10.0.0.7"))
			stop()
			late := 0
			answers.Answer(func(r *http.Request) http.Handler {
				if r.Method == method {
					late++
					if err := lead(ns, mode, "10.0.0.8"); err != nil {
						t.Error(err)
					}
				}
				return nil
			})
			if err := one.Empty(t.Context(), false); err != nil {
				t.Error(err)
			}
			if late != 1 || !leads("10.0.0.8")() {
				t.Errorf("after %d late writes the successor's address is gone", late)
			}
		})
	}
}

// lead makes another address the destination.
func lead(ns string, mode kube.PublishMode, address string) error {
	ctx := context.Background()
	if mode == kube.PublishSlices {
		patch := []byte(`{"endpoints":[{"addresses":["` + address + `"]}]}`)
		_, err := server.Client().DiscoveryV1().EndpointSlices(ns).Patch(ctx, "db-ipv4", types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	patch := []byte(`{"subsets":[{"addresses":[{"ip":"` + address + `"}]}]}`)
	_, err := server.Client().CoreV1().Endpoints(ns).Patch(ctx, "db", types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func TestPublisher_PreparesWithoutAWrite(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	log := &journal{}
	p := publisher(t, user(t, ns, endpointsRights...), ns, kube.PublishAuto, bothFamilies, log)
	p.Prepare(t.Context())
	if !strings.Contains(log.String(), "will have no owner") {
		t.Errorf("the Service was not asked for: %s", log)
	}
	if getSlice(t, ns, "db-ipv4") != nil || getEndpoints(t, ns) != nil {
		t.Error("something was written")
	}
}

// As after an uninstallation, when the leader is still in its grace period: what
// it wrote then would have no owner and be left over.
func TestPublisher_WritesNothingForAServiceThatDoesNotExist(t *testing.T) {
	t.Parallel()
	for _, mode := range []kube.PublishMode{kube.PublishSlices, kube.PublishEndpoints, kube.PublishAuto} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			log := &journal{}
			p := publisher(t, admin(t), ns, mode, "10.0.0.7", log)
			if err := server.Client().CoreV1().Services(ns).Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			publish(t, p)
			eventually(t, "it was tried twice", func() bool {
				return strings.Count(log.String(), `services \"db\" not found`) >= 2 || strings.Count(log.String(), "get service "+ns+"/db: 404") >= 2
			})
			if getSlice(t, ns, "db-ipv4") != nil || getEndpoints(t, ns) != nil {
				t.Error("something was written")
			}
			serviceOf(t, ns)
			eventually(t, "it is published", func() bool { return strings.Contains(log.String(), "traffic leads here") })
		})
	}
}

func TestPublisher_EmptiesWhatLeadsHere(t *testing.T) {
	t.Parallel()
	for _, mode := range []kube.PublishMode{kube.PublishSlices, kube.PublishEndpoints, kube.PublishBoth, kube.PublishAuto} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			log := &journal{}
			p := publisher(t, user(t, ns, append(sliceRights, endpointsRights...)...), ns, mode, bothFamilies, log)
			if err := p.Empty(t.Context(), false); err != nil {
				t.Errorf("nothing was published: %v", err)
			}
			stop := publish(t, p)
			destinations := map[kube.PublishMode]int{kube.PublishSlices: 2, kube.PublishEndpoints: 1, kube.PublishBoth: 3, kube.PublishAuto: 2}[mode]
			eventually(t, "all is published", func() bool { return strings.Count(log.String(), "traffic leads here") == destinations })
			stop()
			if err := p.Empty(t.Context(), false); err != nil {
				t.Error(err)
			}
			for _, name := range []string{"db-ipv4", "db-ipv6"} {
				if got := leadsTo(getSlice(t, ns, name)); got != "" {
					t.Errorf("%s leads to %q", name, got)
				}
			}
			if got := endpointsLeadTo(getEndpoints(t, ns)); got != "" {
				t.Errorf("the endpoints lead to %q", got)
			}
			if slice := getSlice(t, ns, "db-ipv4"); slice != nil && slice.Labels[discoveryv1.LabelServiceName] != "db" {
				t.Errorf("labels %v", slice.Labels)
			}
		})
	}
}

func TestPublisher_PutsRightWhatSomebodyElseChanges(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	serviceOf(t, ns)
	log := &journal{}
	publish(t, publisher(t, user(t, ns, append(sliceRights, endpointsRights...)...), ns, kube.PublishBoth, "10.0.0.7", log))
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	awaitEndpoints(t, ns, "10.0.0.7")

	slices := server.Client().DiscoveryV1().EndpointSlices(ns)
	patch := func(patch string) {
		if _, err := slices.Patch(t.Context(), "db-ipv4", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := lead(ns, kube.PublishSlices, "10.9.9.9"); err != nil {
		t.Fatal(err)
	}
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	patch(`{"ports":[{"port":1}]}`)
	eventually(t, "the port is put right", func() bool { return *getSlice(t, ns, "db-ipv4").Ports[0].Port == 5432 })
	patch(`{"metadata":{"labels":{"kubernetes.io/service-name":"other"}}}`)
	eventually(t, "the label is put right", func() bool {
		return getSlice(t, ns, "db-ipv4").Labels[discoveryv1.LabelServiceName] == "db"
	})
	if err := slices.Delete(t.Context(), "db-ipv4", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")

	endpoints := server.Client().CoreV1().Endpoints(ns)
	_, err := endpoints.Patch(t.Context(), "db", types.MergePatchType, []byte(`{"subsets":null}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	awaitEndpoints(t, ns, "10.0.0.7")
	if err := endpoints.Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := awaitEndpoints(t, ns, "10.0.0.7"); got.Labels[discoveryv1.LabelSkipMirror] != "true" {
		t.Errorf("labels %v", got.Labels)
	}
	if !strings.Contains(log.String(), "put right after somebody else's change") {
		t.Errorf("nothing was said:\n%s", log)
	}
}

// While nobody changes anything a publisher sends nothing.
func TestPublisher_WritesOnce(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	answers := intercept(t)
	log := &journal{}
	publish(t, publisher(t, client(t, answers.Config()), ns, kube.PublishBoth, bothFamilies, log))
	eventually(t, "all is published and watched", func() bool {
		return strings.Count(log.String(), "traffic leads here") == 3 && len(watches(answers)) == 3
	})
	// A change that is none of ours arrives by every watch.
	patch := []byte(`{"metadata":{"annotations":{"note":"x"}}}`)
	for _, name := range []string{"db-ipv4", "db-ipv6"} {
		if _, err := server.Client().DiscoveryV1().EndpointSlices(ns).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := server.Client().CoreV1().Endpoints(ns).Patch(t.Context(), "db", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	// And one that is: when it has been put right, the others had their time.
	if err := server.Client().DiscoveryV1().EndpointSlices(ns).Delete(t.Context(), "db-ipv4", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	writes := map[string]int{}
	for _, seen := range answers.Seen() {
		if method, uri, _ := strings.Cut(seen, " "); method != http.MethodGet {
			writes[method+" "+strings.SplitN(uri, "?", 2)[0][strings.LastIndex(strings.SplitN(uri, "?", 2)[0], "/")+1:]]++
		}
	}
	want := map[string]int{"PATCH db-ipv4": 2, "PATCH db-ipv6": 1, "POST endpoints": 1}
	if !reflect.DeepEqual(writes, want) {
		t.Errorf("writes %v, want %v", writes, want)
	}
}

func TestPublisher_WritesTheEndpointsThatAnOlderToolLeftAndNoSlice(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makeEndpoints(t, ns, map[string]string{"team": "x"})
	rights := slices.Concat(sliceRights, endpointsRights)
	publish(t, publisher(t, user(t, ns, rights...), ns, kube.PublishAuto, bothFamilies, &journal{}))
	got := awaitEndpoints(t, ns, "10.0.0.7,fd00::7")
	if got.Labels["team"] != "x" || got.Labels[discoveryv1.LabelSkipMirror] != "" {
		t.Errorf("labels %v", got.Labels)
	}
	address := got.Subsets[0].Addresses[0]
	if address.NodeName == nil || *address.NodeName != "node-1" || address.TargetRef == nil || address.TargetRef.Name != "db-0" || got.Subsets[0].Ports[0].Port != 5432 {
		t.Errorf("endpoints %s", asJSON(t, got.Subsets))
	}
	if getSlice(t, ns, "db-ipv4") != nil {
		t.Error("there is a slice too")
	}
}

func TestPublisher_WritesSlicesWhereTheEndpointsAreNotMirrored(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	makeEndpoints(t, ns, map[string]string{discoveryv1.LabelSkipMirror: "true"})
	publish(t, publisher(t, admin(t), ns, kube.PublishAuto, "10.0.0.7", &journal{}))
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	if got := endpointsLeadTo(getEndpoints(t, ns)); got != "10.9.9.9" {
		t.Errorf("endpoints lead to %q", got)
	}
}

// A Role made for LINBIT's tool up to 0.4 permits endpoints, up to 0.5 slices by
// create and update.
func TestPublisher_WorksWithTheRightsOfOlderTools(t *testing.T) {
	t.Parallel()
	t.Run("endpoints alone", func(t *testing.T) {
		t.Parallel()
		ns := namespace(t)
		log := &journal{}
		p := publisher(t, user(t, ns, rule("", "endpoints", "get watch list create update")), ns, kube.PublishAuto, "10.0.0.7", log)
		stop := publish(t, p)
		awaitEndpoints(t, ns, "10.0.0.7")
		eventually(t, "it says so", func() bool { return strings.Contains(log.String(), "traffic leads here") })
		if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "endpointslices") {
			t.Errorf("log:\n%s", got)
		}
		stop()
		if err := p.Empty(t.Context(), false); err != nil || endpointsLeadTo(getEndpoints(t, ns)) != "" {
			t.Errorf("not emptied: %v", err)
		}
	})
	t.Run("slices without patch", func(t *testing.T) {
		t.Parallel()
		ns := namespace(t)
		log := &journal{}
		c := user(t, ns, rule("discovery.k8s.io", "endpointslices", "create update"))
		publish(t, publisher(t, c, ns, kube.PublishAuto, "10.0.0.7", log))
		awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
		eventually(t, "it says what it cannot do", func() bool {
			return strings.Contains(log.String(), "changes that others make will not be put right")
		})
		publish(t, publisher(t, c, ns, kube.PublishAuto, "10.0.0.8", &journal{}))
		awaitSlice(t, ns, "db-ipv4", "10.0.0.8")
	})
}

func TestPublisher_ServesWhatItMayAndNamesTheRuleForTheRest(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	log := &journal{}
	publish(t, publisher(t, user(t, ns, rule("discovery.k8s.io", "endpointslices", "get watch create patch", "db-ipv4")), ns, kube.PublishSlices, bothFamilies, log))
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	eventually(t, "the rule is named", func() bool {
		return strings.Contains(log.String(), "resourceNames: [db-ipv6], verbs: [get, watch, create, patch]")
	})
	if getSlice(t, ns, "db-ipv6") != nil {
		t.Error("the slice exists")
	}
}

func TestPublisher_RetriesUntilTheServerAnswers(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	answers := intercept(t)
	refused := 0
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method == http.MethodPatch && refused < 2 {
			refused++
			return faultproxy.Status(http.StatusInternalServerError, "InternalError", "etcdserver: request timed out")
		}
		return nil
	})
	log := &journal{}
	publish(t, publisher(t, client(t, answers.Config()), ns, kube.PublishSlices, "10.0.0.7", log))
	awaitSlice(t, ns, "db-ipv4", "10.0.0.7")
	if got := log.String(); strings.Count(got, "level=WARN") != 2 || !strings.Contains(got, "next_try_in=200ms") {
		t.Errorf("log:\n%s", got)
	}
}

func TestPublisher_WarnsOfASliceOfSomebodyElse(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	_, err := server.Client().DiscoveryV1().EndpointSlices(ns).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "stray", Labels: map[string]string{discoveryv1.LabelServiceName: "db"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.9.9.9"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	publish(t, publisher(t, admin(t), ns, kube.PublishAuto, "10.0.0.7", log))
	eventually(t, "it warns", func() bool {
		return strings.Contains(log.String(), "another EndpointSlice takes part") && strings.Contains(log.String(), ns+"/stray")
	})
}

func TestNewPublisher_RefusesAnUnknownModeAndAPodWithoutAddress(t *testing.T) {
	t.Parallel()
	c := admin(t)
	_, err := kube.NewPublisher(c, kube.PublisherOptions{Service: "db", Logger: quiet()})
	mustSay(t, err, "POD_IP")
	_, err = kube.NewPublisher(c, kube.PublisherOptions{Service: "db", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7")}, Mode: "secret", Logger: quiet()})
	mustSay(t, err, "endpointslice, endpoints, both or auto")
}
