package apiserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServiceAccountUser is the user's name that RBAC knows a service account by.
func ServiceAccountUser(namespace, name string) string {
	return "system:serviceaccount:" + namespace + ":" + name
}

// Token makes a new token, good for a day, of the service account, which is made
// where it is missing.
func (s *Server) Token(ctx context.Context, namespace, account string) (string, error) {
	accounts := s.client.CoreV1().ServiceAccounts(namespace)
	_, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("make service account %s/%s: %w", namespace, account, err)
	}
	lifetime := int64((24 * time.Hour).Seconds())
	answer, err := accounts.CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &lifetime},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("make a token of service account %s/%s: %w", namespace, account, err)
	}
	return answer.Status.Token, nil
}

// Expired is the token as it would be had it expired a minute ago, signed by the
// API server's own key: no token can be asked for that expires in less than ten
// minutes.
func (s *Server) Expired(token string) (string, error) {
	expired, err := s.expired(token)
	if err != nil {
		return "", fmt.Errorf("make an expired token: %w", err)
	}
	return expired, nil
}

func (s *Server) expired(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("this is no JSON web token")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	claims := map[string]any{}
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", err
	}
	over := time.Now().Add(-time.Minute)
	claims["exp"], claims["iat"], claims["nbf"] = over.Unix(), over.Add(-time.Hour).Unix(), over.Add(-time.Hour).Unix()
	if text, err = json.Marshal(claims); err != nil {
		return "", err
	}
	key, err := s.signer()
	if err != nil {
		return "", err
	}
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(text)
	digest := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	// ES256 of RFC 7518: both numbers, 32 bytes each.
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// signer is the key with which the API server signs tokens.
func (s *Server) signer() (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(filepath.Join(s.plane.APIServer.CertDir, "sa-signer.key"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T", key)
	}
	return private, nil
}
