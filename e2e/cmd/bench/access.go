package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
)

// rights are those that any of the tools may want; the figures are about time.
var rights = []rbacv1.PolicyRule{
	{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
	{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"*"}},
	{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"configmaps", "endpoints", "events", "pods", "services"}, Verbs: []string{"*"}},
}

// makeNamespace makes a namespace whose service accounts have the rights, and
// returns when the API server has learnt of it.
func makeNamespace(ctx context.Context, server *apiserver.Server) (string, error) {
	namespace, err := server.Namespace(ctx, "bench")
	if err != nil {
		return "", err
	}
	const name = "bench"
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rights}
	if _, err := server.Client().RbacV1().Roles(namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return "", fmt.Errorf("make a role: %w", err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + namespace}},
	}
	if _, err := server.Client().RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return "", fmt.Errorf("bind a role: %w", err)
	}
	return namespace, awaitRights(ctx, server, namespace)
}

func awaitRights(ctx context.Context, server *apiserver.Server, namespace string) error {
	first, err := newAccount(ctx, server, namespace, "first")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(first.config(server))
	if err != nil {
		return err
	}
	for {
		review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Name: "any",
			}},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("review the rights: %w", err)
		}
		if review.Status.Allowed {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// account is an API user of one replica's own, so that the audit log tells its
// requests from everybody else's.
type account struct {
	user      string // as the audit log names it
	namespace string
	token     string
}

func newAccount(ctx context.Context, server *apiserver.Server, namespace, name string) (account, error) {
	accounts := server.Client().CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		return account{}, fmt.Errorf("make service account %s: %w", name, err)
	}
	lifetime := int64((24 * time.Hour).Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &lifetime}}
	answer, err := accounts.CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return account{}, fmt.Errorf("make a token for service account %s: %w", name, err)
	}
	return account{
		user:      "system:serviceaccount:" + namespace + ":" + name,
		namespace: namespace,
		token:     answer.Status.Token,
	}, nil
}

// config is the account's access to the server.
func (a account) config(server *apiserver.Server) *rest.Config {
	admin := server.Config()
	return &rest.Config{
		Host:            admin.Host,
		BearerToken:     a.token,
		TLSClientConfig: rest.TLSClientConfig{CAData: admin.CAData},
		QPS:             -1,
	}
}

// write leaves the access in the folder in both ways in which programs look for
// it: as a kubeconfig, and as /var/run of a Pod. An address, if given, stands
// in for the server's.
func (a account) write(server *apiserver.Server, folder, address string) (s scene, run string, err error) {
	config := a.config(server)
	host, err := url.Parse(config.Host)
	if err != nil {
		return scene{}, "", fmt.Errorf("address of the API server: %w", err)
	}
	if address != "" {
		host.Host = address
		config.Host = host.String()
	}
	s = scene{
		namespace:  a.namespace,
		kubeconfig: filepath.Join(folder, "kubeconfig"),
		host:       host.Hostname(),
		port:       host.Port(),
	}
	if err := apiserver.WriteKubeconfig(s.kubeconfig, config); err != nil {
		return scene{}, "", err
	}
	run = filepath.Join(folder, "run")
	mounted := filepath.Join(run, "secrets", "kubernetes.io", "serviceaccount")
	if err := os.MkdirAll(mounted, 0o700); err != nil {
		return scene{}, "", err
	}
	for name, content := range map[string][]byte{
		"token": []byte(a.token), "ca.crt": config.CAData, "namespace": []byte(a.namespace),
	} {
		if err := os.WriteFile(filepath.Join(mounted, name), content, 0o600); err != nil {
			return scene{}, "", err
		}
	}
	return s, run, nil
}

// newProxy puts a wire that can be cut before the server.
func newProxy(ctx context.Context, server *apiserver.Server) (*faultproxy.Proxy, error) {
	host, err := url.Parse(server.Config().Host)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	return faultproxy.Listen(ctx, host.Host)
}
