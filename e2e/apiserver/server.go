package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// patience is how long a component may take to start or to stop. Generous:
// many tests may share few cores, and an emulated processor takes minutes (make clocks).
const patience = 5 * time.Minute

// Options vary a Server. The zero value is a server that is quick and silent.
type Options struct {
	// Log receives the output of both processes; nil drops it.
	Log io.Writer
	// APIServerFlags and EtcdFlags are added to the command lines; keys are
	// without dashes.
	APIServerFlags, EtcdFlags map[string]string
}

// Server is a running kube-apiserver with its etcd. Its methods may be called
// from any goroutine, except Stop and Restart, which are for one at a time.
type Server struct {
	// APIServer and Etcd are the processes, to be paused and killed.
	APIServer, Etcd *Process

	dir   string
	plane envtest.ControlPlane
	alive *os.File
	// successor signs the API server's next certificates.
	successor *authority

	mu     sync.Mutex // users: envtest's certificate authority counts unguarded
	admin  *rest.Config
	client kubernetes.Interface
}

// Start starts etcd and kube-apiserver on free ports of the loopback interface
// and returns when the API server answers and has its default namespace. After
// an error, also after ctx has ended, nothing is left running.
func Start(ctx context.Context, options Options) (*Server, error) {
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "k8s-await-election-apiserver-")
	if err != nil {
		return nil, fmt.Errorf("start an API server: %w", err)
	}
	s := &Server{dir: dir}
	if err := s.start(ctx, assets, options); err != nil {
		return nil, errors.Join(fmt.Errorf("start an API server: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, assets string, options Options) error {
	alive := filepath.Join(s.dir, "alive")
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		return fmt.Errorf("make a fifo: %w", err)
	}
	var err error
	// Read and write: with one side alone the open would wait for the other.
	if s.alive, err = os.OpenFile(alive, os.O_RDWR, 0); err != nil {
		return err
	}
	if s.APIServer, err = wrap(s.dir, filepath.Join(assets, "kube-apiserver"), alive); err != nil {
		return err
	}
	if s.Etcd, err = wrap(s.dir, filepath.Join(assets, "etcd"), alive); err != nil {
		return err
	}
	policy := filepath.Join(s.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	// Directories of our own survive envtest's Stop, so that Restart finds the
	// same certificates and the same data.
	certs, data := filepath.Join(s.dir, "certs"), filepath.Join(s.dir, "data")
	for _, dir := range []string{certs, data} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	s.plane.APIServer = &envtest.APIServer{
		Path: s.APIServer.wrapper, CertDir: certs, Out: options.Log, Err: options.Log,
		StartTimeout: patience, StopTimeout: patience,
	}
	s.plane.APIServer.Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", s.auditLog()).
		// Objects of the control plane itself only slow the start down.
		Set("endpoint-reconciler-type", "none")
	s.plane.Etcd = &envtest.Etcd{
		Path: s.Etcd.wrapper, DataDir: data, Out: options.Log, Err: options.Log,
		StartTimeout: patience, StopTimeout: patience,
	}
	if s.successor, err = newAuthority(); err != nil {
		return err
	}
	for flag, value := range options.APIServerFlags {
		s.plane.APIServer.Configure().Set(flag, value)
	}
	for flag, value := range options.EtcdFlags {
		s.plane.Etcd.Configure().Set(flag, value)
	}
	if err := s.plane.Start(); err != nil {
		return err
	}
	if s.admin, err = s.newUser("admin", "system:masters"); err != nil {
		return err
	}
	if s.client, err = kubernetes.NewForConfig(s.admin); err != nil {
		return err
	}
	return s.awaitDefaultNamespace(ctx)
}

// Config is an administrator's access, without a rate limit. The caller may
// change it: it is a copy.
func (s *Server) Config() *rest.Config { return rest.CopyConfig(s.admin) }

// Client is an administrator's clientset.
func (s *Server) Client() kubernetes.Interface { return s.client }

// EtcdURL is where etcd answers its clients, without TLS.
func (s *Server) EtcdURL() string { return s.plane.Etcd.URL.String() }

// Restart stops the API server, if it still runs, and starts it again on the
// same port with the same data and users. etcd goes on.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.stopAPIServer(); err != nil {
		return fmt.Errorf("restart the API server: %w", err)
	}
	if err := s.plane.APIServer.Start(); err != nil {
		return fmt.Errorf("restart the API server: %w", err)
	}
	return s.awaitDefaultNamespace(ctx)
}

// Stop ends both processes and removes all files. It may be called again.
func (s *Server) Stop() error {
	if s.dir == "" {
		return nil
	}
	var errs []error
	if s.plane.APIServer != nil {
		errs = append(errs, s.stopAPIServer())
	}
	if s.plane.Etcd != nil {
		_ = s.Etcd.Resume() // a stopped process does not hear TERM
		errs = append(errs, retryStop(s.plane.Etcd.Stop), s.Etcd.withdraw())
	}
	if s.alive != nil {
		errs = append(errs, s.alive.Close())
	}
	errs = append(errs, os.RemoveAll(s.dir))
	s.dir = ""
	return errors.Join(errs...)
}

func (s *Server) stopAPIServer() error {
	_ = s.APIServer.Resume() // a stopped process does not hear TERM
	return errors.Join(retryStop(s.plane.APIServer.Stop), s.APIServer.withdraw())
}

// retryStop calls envtest's Stop again where it failed: a process that died a
// moment ago is not yet known there to have ended, and cannot be signalled.
func retryStop(stop func() error) error {
	err := stop()
	for range 20 {
		if err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
		err = stop()
	}
	return err
}
