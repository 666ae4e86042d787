package apiserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Namespace makes a new namespace whose name begins with prefix.
func (s *Server) Namespace(ctx context.Context, prefix string) (string, error) {
	ns, err := s.client.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("make a namespace: %w", err)
	}
	return ns.Name, nil
}

// User makes a user who has exactly these rights, in one namespace, and returns
// the user's access. A name is for one namespace at a time: the rights are a
// Role and a RoleBinding of the user's name, replaced where they exist.
func (s *Server) User(ctx context.Context, namespace, name string, rules ...rbacv1.PolicyRule) (*rest.Config, error) {
	config, err := s.newUser(name)
	if err != nil {
		return nil, err
	}
	if err := s.Grant(ctx, namespace, name, rules...); err != nil {
		return nil, err
	}
	return config, nil
}

// Grant replaces what the user may do in the namespace. No rules: nothing. It
// returns when the API server, which learns of it by a watch of its own, decides
// by the new rules.
func (s *Server) Grant(ctx context.Context, namespace, user string, rules ...rbacv1.PolicyRule) error {
	if err := s.grant(ctx, namespace, user, rules); err != nil {
		return fmt.Errorf("grant rights to %s: %w", user, err)
	}
	return nil
}

func (s *Server) grant(ctx context.Context, namespace, user string, rules []rbacv1.PolicyRule) error {
	roles := s.client.RbacV1().Roles(namespace)
	before, err := roles.Get(ctx, user, metav1.GetOptions{})
	switch {
	case err == nil:
		after := before.DeepCopy()
		after.Rules = rules
		_, err = roles.Update(ctx, after, metav1.UpdateOptions{})
	case apierrors.IsNotFound(err):
		before = &rbacv1.Role{}
		err = s.createRole(ctx, namespace, user, rules)
	}
	if err != nil {
		return err
	}
	granted := accesses(namespace, rules)
	for access := range granted {
		if err := s.awaitAccess(ctx, user, access, true); err != nil {
			return err
		}
	}
	for access := range accesses(namespace, before.Rules) {
		if !granted[access] {
			if err := s.awaitAccess(ctx, user, access, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) createRole(ctx context.Context, namespace, user string, rules []rbacv1.PolicyRule) error {
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}
	if _, err := s.client.RbacV1().Roles(namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := s.client.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	return err
}

// accesses are the single accesses that the rules permit.
func accesses(namespace string, rules []rbacv1.PolicyRule) map[authorizationv1.ResourceAttributes]bool {
	all := map[authorizationv1.ResourceAttributes]bool{}
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				resource, subresource, _ := strings.Cut(resource, "/")
				for _, verb := range rule.Verbs {
					for _, name := range names {
						all[authorizationv1.ResourceAttributes{
							Namespace: namespace, Verb: verb, Group: group,
							Resource: resource, Subresource: subresource, Name: name,
						}] = true
					}
				}
			}
		}
	}
	return all
}

func (s *Server) awaitAccess(ctx context.Context, user string, access authorizationv1.ResourceAttributes, want bool) error {
	for {
		review, err := s.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &access},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if review.Status.Allowed == want {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Kubeconfig is User, written as a file that KUBECONFIG may name. The file
// lives until Stop.
func (s *Server) Kubeconfig(ctx context.Context, namespace, name string, rules ...rbacv1.PolicyRule) (string, error) {
	config, err := s.User(ctx, namespace, name, rules...)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, namespace+"-"+name+".kubeconfig")
	return path, WriteKubeconfig(path, config)
}

// WriteKubeconfig writes the access as a kubeconfig file. Set config.Host
// before to send the client through a proxy.
func WriteKubeconfig(path string, config *rest.Config) error {
	const name = "test"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
		TokenFile:             config.BearerTokenFile,
	}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	return os.Chmod(path, 0o600)
}

func (s *Server) newUser(name string, groups ...string) (*rest.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, err := s.plane.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, fmt.Errorf("make user %s: %w", name, err)
	}
	config := user.Config()
	config.CAData = slices.Concat(config.CAData, s.successor.pem)
	return config, nil
}

func (s *Server) awaitDefaultNamespace(ctx context.Context) error {
	for {
		_, err := s.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the API server: %w: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
