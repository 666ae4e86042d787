package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

// validity is that of all certificates. A cluster for tests does not live so
// long; the hour before lets a clock be put back.
const validity = 30 * 24 * time.Hour

// authority signs all certificates of the cluster, of servers and of clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := certificate(pkix.Name{CommonName: "k8s-await-election"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the certificate authority: %w", err)
	}
	return &authority{cert: cert, key: key}, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

func certificate(subject pkix.Name) *x509.Certificate {
	return &x509.Certificate{
		Subject:      subject,
		SerialNumber: new(big.Int).SetBytes(random(16)),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program
	return b
}

// pair is a certificate and its key, in PEM.
type pair struct{ cert, key []byte }

// client makes the certificate of a user: Kubernetes reads the name from CN and
// the groups from O.
func (a *authority) client(name string, groups ...string) (pair, error) {
	template := certificate(pkix.Name{CommonName: name, Organization: groups})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.sign(template)
}

// server makes the certificate of a server that is reached at these addresses
// and names.
func (a *authority) server(name string, addresses []netip.Addr, names ...string) (pair, error) {
	template := certificate(pkix.Name{CommonName: name})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = names
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.AsSlice()))
	}
	return a.sign(template)
}

func (a *authority) sign(template *x509.Certificate) (pair, error) {
	key, err := newKey()
	if err != nil {
		return pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return pair{}, fmt.Errorf("make the certificate of %s: %w", template.Subject.CommonName, err)
	}
	text, err := encodeKey(key)
	if err != nil {
		return pair{}, err
	}
	return pair{cert: encodeCert(der), key: text}, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// encodeKey writes the one form that Kubernetes takes for service accounts too.
func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// kubeconfig writes a file with which a user reaches the API server.
func (a *authority) kubeconfig(path, name string, groups ...string) error {
	user, err := a.client(name, groups...)
	if err != nil {
		return err
	}
	config := &rest.Config{Host: apiURL}
	config.CAData, config.CertData, config.KeyData = encodeCert(a.cert.Raw), user.cert, user.key
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	return apiserver.WriteKubeconfig(path, config)
}

// writePair writes NAME.crt and NAME.key.
func writePair(dir, name string, p pair) error {
	if err := writeFile(filepath.Join(dir, name+".crt"), p.cert); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, name+".key"), p.key)
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // its files are closed
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
