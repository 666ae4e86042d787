package apiserver

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestServer_RefusesExpiredTokensAndServesWithANewCertificate(t *testing.T) {
	ctx := t.Context()
	s, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin := s.Config()
	ask := func(token string, authorities []byte) error {
		client, err := kubernetes.NewForConfig(&rest.Config{
			Host: admin.Host, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: authorities},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.CoreV1().Namespaces().Get(ctx, "default", metav1.GetOptions{})
		return err
	}
	token, err := s.Token(ctx, "default", "somebody")
	if err != nil {
		t.Fatal(err)
	}
	// Known, and without rights.
	if err := ask(token, admin.CAData); !apierrors.IsForbidden(err) {
		t.Errorf("with a token: %v", err)
	}
	expired, err := s.Expired(token)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(expired, admin.CAData); !apierrors.IsUnauthorized(err) {
		t.Errorf("with an expired token: %v", err)
	}

	for range 2 {
		if err := s.RotateCertificate(ctx); err != nil {
			t.Fatal(err)
		}
		if err := ask(token, s.successor.pem); !apierrors.IsForbidden(err) {
			t.Errorf("with the new certificate: %v", err)
		}
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := ask(token, s.successor.pem); !apierrors.IsForbidden(err) {
		t.Errorf("with the new certificate, after a restart: %v", err)
	}
}
