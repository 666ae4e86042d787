package chart

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

func TestObjects_AreOfTheReleaseAndLabelledAsSuch(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		seen := map[string]bool{}
		for _, o := range r.objects {
			if seen[o.String()] {
				t.Errorf("%s is there twice", o)
			}
			seen[o.String()] = true
			if len(o.GetName()) > 253 || len(content.IsDNS1123Subdomain(o.GetName())) > 0 {
				t.Errorf("%s: not a name", o)
			}
			if n := o.GetNamespace(); n != "" && n != namespaceOf(row.input) {
				t.Errorf("%s is in the namespace %s", o, n)
			}
			for _, problem := range validation.ValidateLabels(o.GetLabels(), field.NewPath("labels")) {
				t.Errorf("%s: %v", o, problem)
			}
			if strings.HasSuffix(o.GetName(), "-extra") || strings.HasSuffix(o.GetName(), "-text") {
				continue // of the user's extraObjects
			}
			if got := o.GetLabels()["app.kubernetes.io/instance"]; got != releaseOf(row.input) {
				t.Errorf("%s is labelled as of the release %q", o, got)
			}
		}
	})
}

// That they are in no selector is TestSelectors'.
func TestCommonLabels_AreOnEveryObjectAndEveryPod(t *testing.T) {
	t.Parallel()
	r := render(t, input{files: ciFile("everything"), set: []string{
		"commonLabels.added=yes", "extraObjects=null", "podMonitor.enabled=true", "grafanaDashboard.enabled=true",
	}})
	for _, o := range r.objects {
		if o.GetLabels()["added"] != "yes" {
			t.Errorf("%s is labelled %v", o, o.GetLabels())
		}
	}
	if got := workloadOf(t, r).template.Labels; got["added"] != "yes" {
		t.Errorf("the Pods are labelled %v", got)
	}
}

// Helm makes a Lease after the Deployment, Argo CD commonly leaves it out, and
// Helm 4 fights over what others write.
func TestObjects_AreNoneThatAGateWrites(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		for _, o := range r.objects {
			if slices.Contains([]string{"Lease", "EndpointSlice", "Endpoints"}, o.GetKind()) {
				t.Errorf("%s is rendered", o)
			}
		}
	})
}

func TestSelectors_FindThePodsAndNeverChange(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		w := workloadOf(t, r)
		selector := w.selector.MatchLabels
		if len(selector) == 0 || len(w.selector.MatchExpressions) > 0 {
			t.Fatalf("the workload selects by %v", w.selector)
		}
		if !isPart(selector, w.template.Labels) {
			t.Errorf("the Pods have %v, which %v does not select", w.template.Labels, selector)
		}
		for _, budget := range all[*policyv1.PodDisruptionBudget](r) {
			if !maps.Equal(budget.Spec.Selector.MatchLabels, selector) {
				t.Errorf("the budget selects %v, the workload %v", budget.Spec.Selector, selector)
			}
		}
		for _, monitor := range all[*podMonitor](r) {
			if !maps.Equal(monitor.Spec.Selector.MatchLabels, selector) {
				t.Errorf("the monitor selects %v, the workload %v", monitor.Spec.Selector, selector)
			}
		}
		for _, spread := range w.template.Spec.TopologySpreadConstraints {
			selects, err := metav1.LabelSelectorAsSelector(spread.LabelSelector)
			if err != nil || !selects.Matches(labels.Set(w.template.Labels)) {
				t.Errorf("the spread counts %v, not its own Pods: %v", spread.LabelSelector, err)
			}
		}
		later := row.input
		later.set = append(slices.Clone(later.set), "commonLabels.added=later", "podLabels.other=later", "app.image.tag=9.9", "replicas=7")
		if after := workloadOf(t, render(t, later)).selector; !maps.Equal(after.MatchLabels, selector) {
			t.Errorf("an upgrade changes the selector from %v to %v", selector, after.MatchLabels)
		}
		other := row.input
		other.release = "other"
		elsewhere := render(t, other)
		if isPart(selector, workloadOf(t, elsewhere).template.Labels) {
			t.Errorf("%v selects the Pods of another release", selector)
		}
	})
}

func isPart(part, whole map[string]string) bool {
	for key, value := range part {
		if whole[key] != value {
			return false
		}
	}
	return true
}

// servicesOf parts the Service for clients (nil: there is none) from the others.
func servicesOf(t *testing.T, r *rendering) (clients *corev1.Service, others []*corev1.Service) {
	t.Helper()
	for _, service := range all[*corev1.Service](r) {
		if service.Name == workloadOf(t, r).name {
			clients = service
		} else {
			others = append(others, service)
		}
	}
	return clients, others
}

func TestService_LeadsWhereItsModeSays(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, row := range rows(t) {
		r := render(t, row.input)
		w := workloadOf(t, r)
		service, _ := servicesOf(t, r)
		if service == nil {
			continue
		}
		variables := environment(w.elected(t), podFields(namespace, "shop-0"))
		ports := map[string]corev1.ContainerPort{}
		for _, port := range w.app(t).Ports {
			ports[port.Name] = port
		}
		for _, port := range service.Spec.Ports {
			target := ports[port.Name]
			if target.ContainerPort != port.TargetPort.IntVal || target.Protocol != port.Protocol {
				t.Errorf("%s: port %s goes to %v %s, the container has %v", row.name, port.Name, port.TargetPort, port.Protocol, target)
			}
		}
		published := variables["K8S_AWAIT_ELECTION_SERVICE_NAME"]
		switch selector := service.Spec.Selector; {
		case len(selector) == 0:
			seen["slices"] = true
			if published != service.Name {
				t.Errorf("%s: the gate leads the Service %q, and it is %q", row.name, published, service.Name)
			}
			checkPublished(t, row.name, variables["K8S_AWAIT_ELECTION_SERVICE_PORTS_JSON"], service.Spec.Ports)
			continue
		case maps.Equal(selector, w.selector.MatchLabels):
			seen["all"] = true
			if w.isGated() {
				t.Errorf("%s: the Service leads to standbys too", row.name)
			}
		default:
			seen["podLabel"] = true
			key, leader := leaderLabel(variables["K8S_AWAIT_ELECTION_POD_LABEL"])
			if selector[key] != leader || leader == "" {
				t.Errorf("%s: the Service selects %v, the leader is labelled %s: %s", row.name, selector, key, leader)
			}
			if _, is := w.template.Labels[key]; is {
				t.Errorf("%s: every Pod is labelled with %s", row.name, key)
			}
			delete(selector, key)
			if !maps.Equal(selector, w.selector.MatchLabels) {
				t.Errorf("%s: the Service selects %v beside the label", row.name, selector)
			}
		}
		if published != "" {
			t.Errorf("%s: the leader writes slices of a Service that has a selector", row.name)
		}
	}
	if len(seen) != 3 {
		t.Errorf("of the modes of a Service only %v came about", seen)
	}
}

// leaderLabel is what a value of POD_LABEL says of the leader.
func leaderLabel(text string) (key, value string) {
	key, values, given := strings.Cut(text, "=")
	if !given {
		return key, "leader"
	}
	value, _, _ = strings.Cut(values, "/")
	return key, value
}

func checkPublished(t *testing.T, name, text string, ports []corev1.ServicePort) {
	t.Helper()
	var published []struct {
		Name, Protocol string
		Port           int32
		AppProtocol    *string
	}
	if err := json.Unmarshal([]byte(text), &published); err != nil {
		t.Errorf("%s: SERVICE_PORTS_JSON: %v", name, err)
	}
	if len(published) != len(ports) {
		t.Fatalf("%s: the gate publishes %d ports of %d", name, len(published), len(ports))
	}
	for i, port := range published {
		of := ports[i]
		same := port.Name == of.Name && port.Port == of.TargetPort.IntVal && port.Protocol == string(of.Protocol) &&
			(port.AppProtocol == nil) == (of.AppProtocol == nil) && (port.AppProtocol == nil || *port.AppProtocol == *of.AppProtocol)
		if !same {
			t.Errorf("%s: the gate publishes %+v for the port %+v", name, port, of)
		}
	}
}

// A Pod knows its own name, so a Service of that name alone would be the Pod itself.
func TestHelmTest_AsksAServiceAndNotItsOwnPod(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		services := map[string]bool{}
		for _, service := range all[*corev1.Service](r) {
			services[service.Name] = true
		}
		for _, pod := range all[*corev1.Pod](r) {
			args := pod.Spec.Containers[0].Args
			asked, err := url.Parse(args[len(args)-1])
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(asked.Hostname(), ".")
			if asked.Hostname() == pod.Name || !services[name] {
				t.Errorf("Pod %s asks %s, of the Services %v", pod.Name, asked.Host, services)
			}
		}
	})
}

func TestService_IsNotThereWithoutPorts(t *testing.T) {
	t.Parallel()
	if service, _ := servicesOf(t, render(t, input{set: twoValues})); service != nil {
		t.Errorf("there is %s", service.Name)
	}
}

func TestRole_GrantsNothingWithoutANameThatCanHaveOne(t *testing.T) {
	t.Parallel()
	// What cannot be granted by name: an Event's name is made up for each, and a
	// Deployment's Pods have names that nobody knows before.
	nameless := map[string][]string{"events": {"create"}, "pods": {"get", "list", "watch", "patch"}}
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		nameless := maps.Clone(nameless)
		switch environment(workloadOf(t, r).elected(t), nil)[config.Prefix+"_SERVICE_PUBLISH"] {
		case "endpoints", "both":
			nameless["endpoints"] = []string{"create"} // by POST, which has no name
		}
		for _, role := range all[*rbacv1.Role](r) {
			for _, rule := range role.Rules {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						if len(rule.ResourceNames) == 0 && !slices.Contains(nameless[resource], verb) {
							t.Errorf("the Role permits to %s %s of any name", verb, resource)
						}
					}
				}
				for _, word := range slices.Concat(rule.Verbs, rule.Resources, rule.APIGroups) {
					if strings.Contains(word, "*") || strings.Contains(word, "delete") {
						t.Errorf("a rule permits %s: %v", word, rule)
					}
				}
			}
		}
		for _, o := range r.objects {
			if strings.HasPrefix(o.GetKind(), "Cluster") {
				t.Errorf("%s is for the whole cluster", o)
			}
		}
	})
}

func TestRole_IsBoundToTheServiceAccountOfThePods(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		account := workloadOf(t, r).template.Spec.ServiceAccountName
		accounts := all[*corev1.ServiceAccount](r)
		if len(accounts) > 1 || len(accounts) == 1 && accounts[0].Name != account {
			t.Errorf("the Pods run as %s, and the release has %v", account, accounts)
		}
		if account == "" {
			t.Error("the Pods name no ServiceAccount")
		}
		roles, bindings := all[*rbacv1.Role](r), all[*rbacv1.RoleBinding](r)
		if len(roles) != len(bindings) {
			t.Fatalf("%d Roles, %d RoleBindings", len(roles), len(bindings))
		}
		for i, binding := range bindings {
			if binding.RoleRef.Name != roles[i].Name || binding.RoleRef.Kind != "Role" {
				t.Errorf("bound to %v, not %s", binding.RoleRef, roles[i].Name)
			}
			want := rbacv1.Subject{Kind: "ServiceAccount", Name: account, Namespace: namespaceOf(row.input)}
			if !slices.Equal(binding.Subjects, []rbacv1.Subject{want}) {
				t.Errorf("bound to %v, want %v", binding.Subjects, want)
			}
		}
	})
}

func TestDashboard_IsJSON(t *testing.T) {
	t.Parallel()
	r := render(t, input{set: append(slices.Clone(twoValues), "grafanaDashboard.enabled=true")})
	for file, text := range only[*corev1.ConfigMap](t, r).Data {
		var dashboard struct {
			Title  string
			Panels []any
		}
		if err := json.Unmarshal([]byte(text), &dashboard); err != nil || dashboard.Title == "" || len(dashboard.Panels) == 0 {
			t.Errorf("%s: %v: title %q, %d panels", file, err, dashboard.Title, len(dashboard.Panels))
		}
	}
}
