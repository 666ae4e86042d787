package apiserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs the certificates that the API server is given while it runs;
// envtest throws away the key that has signed the first one. All users of a
// Server trust both.
type authority struct {
	key    *ecdsa.PrivateKey
	parent *x509.Certificate
	pem    []byte
	serial int64
}

const certificateLife = 7 * 24 * time.Hour

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "successor"},
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().Add(certificateLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	parent, err := x509.ParseCertificate(raw)
	return &authority{key: key, parent: parent, pem: asPEM("CERTIFICATE", raw), serial: 1}, err
}

// issue makes a certificate of a server on the loopback interface.
func (a *authority) issue() (certificate, key []byte, serial *big.Int, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	a.serial++
	serial = big.NewInt(a.serial)
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.parent, private.Public(), a.key)
	if err != nil {
		return nil, nil, nil, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	return asPEM("CERTIFICATE", raw), asPEM("PRIVATE KEY", text), serial, err
}

func asPEM(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}

// RotateCertificate gives the API server a new certificate, signed by another
// authority than its first one, and returns when it serves with it. Connections
// that are open stay as they are. It is for one goroutine at a time.
func (s *Server) RotateCertificate(ctx context.Context) error {
	certificate, key, serial, err := s.successor.issue()
	if err != nil {
		return fmt.Errorf("rotate the API server's certificate: %w", err)
	}
	for name, content := range map[string][]byte{"apiserver.crt": certificate, "apiserver.key": key} {
		if err := os.WriteFile(filepath.Join(s.plane.APIServer.CertDir, name), content, 0o600); err != nil {
			return fmt.Errorf("rotate the API server's certificate: %w", err)
		}
	}
	// It watches the files, and takes a pair only when both fit.
	for {
		served, err := s.servedSerial(ctx)
		if err == nil && served.Cmp(serial) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("rotate the API server's certificate: it still serves with the old one: %w", context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) servedSerial(ctx context.Context) (*big.Int, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.admin.CAData)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", s.plane.APIServer.SecureServing.ListenAddr.URL("https", "").Host)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber, nil
}
