package chart

import (
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
)

// adminRules are what a namespace's administrator may do in a real cluster. The
// API server makes the ClusterRole admin empty, with the labels of those that it
// is put together from; to do that is left to a controller, which does not run
// here.
func adminRules(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	list, err := server.Client().RbacV1().ClusterRoles().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]rbacv1.ClusterRole{}
	for _, role := range list.Items {
		roles[role.Name] = role
	}
	var gather func(rbacv1.ClusterRole) []rbacv1.PolicyRule
	gather = func(role rbacv1.ClusterRole) []rbacv1.PolicyRule {
		if role.AggregationRule == nil {
			return role.Rules
		}
		var rules []rbacv1.PolicyRule
		for i := range role.AggregationRule.ClusterRoleSelectors {
			selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range list.Items {
				if selector.Matches(labels.Set(part.Labels)) {
					rules = append(rules, gather(roles[part.Name])...)
				}
			}
		}
		return rules
	}
	rules := gather(roles["admin"])
	if len(rules) < 10 {
		t.Fatalf("the ClusterRole admin comes to %d rules", len(rules))
	}
	return rules
}

// admin makes the administrator of a new namespace.
func admin(t *testing.T) (config *rest.Config, namespace string) {
	t.Helper()
	ctx := t.Context()
	namespace = newNamespace(t, "baseline")
	user := namespace + "-admin"
	rbac := server.Client().RbacV1()
	// An own ClusterRole: the API server puts its own right when it starts.
	if _, err := rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: adminRules(t),
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := rbac.RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitAccess(t, user, namespace)
	config = server.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	return config, namespace
}

// awaitAccess waits until the API server, which learns of a binding by a watch of
// its own, decides by it.
func awaitAccess(t *testing.T, user, namespace string) {
	t.Helper()
	for {
		review, err := server.Client().AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: "create", Group: rbacv1.GroupName, Resource: "roles",
			}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed {
			return
		}
	}
}

// inOrder has what others refer to before them: a binding to a Role that is not
// there is refused.
func inOrder(objects []object) []object {
	var first, last []object
	for _, o := range objects {
		if o.GetKind() == "RoleBinding" {
			last = append(last, o)
		} else {
			first = append(first, o)
		}
	}
	return append(first, last...)
}

func TestAdmin_OfANamespaceInstallsWithAPodLabel(t *testing.T) {
	t.Parallel()
	const some = "app.ports.redis=6379"
	for name, in := range map[string]input{
		"the file for it": {
			files: ciFile("podlabel"),
			set:   []string{"service.ports.http=80"}, // its node port is for one Service at a time
		},
		"two values and a port": {set: append(slices.Clone(twoValues), some, "service.mode=podLabel")},
		"a StatefulSet":         {set: append(slices.Clone(twoValues), some, "service.mode=podLabel", "kind=StatefulSet")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, ns := admin(t)
			in.namespace = ns
			for _, o := range inOrder(render(t, in).objects) {
				if err := apply(t.Context(), config, o, ns, false); err != nil {
					t.Errorf("%s: %v", o, err)
				}
			}
		})
	}
}

// A namespace's administrator may not write EndpointSlices, and so not grant that
// either. It is the reason for service.mode podLabel; where this test fails there
// is none any more.
func TestAdmin_OfANamespaceMayNotGrantRightsOnSlices(t *testing.T) {
	t.Parallel()
	config, ns := admin(t)
	refused := false
	for _, o := range inOrder(render(t, input{namespace: ns, set: append(slices.Clone(twoValues), "app.ports.redis=6379")}).objects) {
		err := apply(t.Context(), config, o, ns, false)
		switch {
		case o.GetKind() == "Role":
			refused = apierrors.IsForbidden(err) && strings.Contains(err.Error(), "endpointslices")
			if !refused {
				t.Errorf("Role: %v", err)
			}
		case err != nil && o.GetKind() != "RoleBinding":
			t.Errorf("%s: %v", o, err)
		}
	}
	if !refused {
		t.Error("no Role was refused")
	}
}

// Without ports there is no Service, and no need for more rights than an
// administrator has.
func TestAdmin_OfANamespaceInstallsWithoutAService(t *testing.T) {
	t.Parallel()
	config, ns := admin(t)
	for _, o := range inOrder(render(t, input{namespace: ns, set: twoValues}).objects) {
		if err := apply(t.Context(), config, o, ns, false); err != nil {
			t.Errorf("%s: %v", o, err)
		}
	}
}
