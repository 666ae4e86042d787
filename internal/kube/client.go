package kube

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Options say how to reach the API server.
type Options struct {
	// Kubeconfig is the path of a kubeconfig file, or a list of them as
	// KUBECONFIG takes it. Empty: the service account of the Pod.
	Kubeconfig string
	// Setting is what sets Kubeconfig, for errors.
	Setting string
	// UserAgent names the program and its version to the API server, whose audit
	// log keeps it. Each transport adds its purpose. Empty: k8s-await-election.
	UserAgent string
}

// LogTo sends what the Kubernetes client library logs to the logger, for the
// whole process. To be called once, before anything else of this package.
func LogTo(logger *slog.Logger) {
	klog.SetSlogLogger(logger.With("component", "client-go"))
}

// Client reaches one API server as one user. Its methods may be called from any
// goroutine.
type Client struct {
	server *url.URL
	// writes carries lock reads and writes, watches the watches, others all
	// else. None shares a connection with another: a watch's dead HTTP/2
	// connection would hold up every request on it.
	writes, watches, others *http.Client
}

// NewClient reads the credentials and prepares the transports. It sends nothing:
// an API server that cannot be reached shows with the first request.
//
// A token in a file is read for every request, so that rotation needs nothing.
func NewClient(options Options) (*Client, error) {
	config, err := loadConfig(options.Kubeconfig, options.Setting)
	if err != nil {
		return nil, err
	}
	if options.UserAgent == "" {
		options.UserAgent = "k8s-await-election"
	}
	// DefaultServerUrlFor asks for one; the paths of requests are made elsewhere.
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, errors.New("find the address of the API server: the host in the configuration is not a valid URL")
	}
	c := &Client{server: server}
	if c.writes, err = httpClient(config, options.UserAgent+"/lock", configureWrites); err != nil {
		return nil, err
	}
	if c.watches, err = httpClient(config, options.UserAgent+"/watch", configureHTTP2); err != nil {
		return nil, err
	}
	if c.others, err = httpClient(config, options.UserAgent+"/publish", configureHTTP2); err != nil {
		return nil, err
	}
	return c, nil
}

// loadConfig never wraps an error of the parser or the validator: they quote the
// file, which holds keys and tokens.
func loadConfig(kubeconfig, setting string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		switch {
		case errors.Is(err, rest.ErrNotInCluster):
			return nil, fmt.Errorf("find the API server: this is not a Pod of a cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): set %s to a kubeconfig file, or use K8S_AWAIT_ELECTION_LOCK_TYPE=file without a cluster", setting)
		case err != nil:
			return nil, fmt.Errorf("read the service account of the Pod: %w: set automountServiceAccountToken: true", err)
		}
		return config, nil
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: filepath.SplitList(kubeconfig)}
	var missing error
	found := false
	for _, path := range rules.Precedence {
		if _, err := os.ReadFile(path); err != nil {
			missing = err
		} else {
			found = true
		}
	}
	// In a list files may be missing, as kubectl has it.
	if missing != nil && (!found || !errors.Is(missing, os.ErrNotExist)) {
		return nil, fmt.Errorf("read kubeconfig: %w: correct %s, or leave it out to use the service account of the Pod", missing, setting)
	}
	loaded, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: it is no kubeconfig file: try kubectl --kubeconfig %[1]s config view", kubeconfig)
	}
	config, err := clientcmd.NewDefaultClientConfig(*loaded, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: current-context, its cluster, its user, or a file that one of them names is missing or wrong: try kubectl --kubeconfig %[1]s config view", kubeconfig)
	}
	if config.ExecProvider != nil {
		return nil, fmt.Errorf("read kubeconfig %s: its user gets credentials by running a program (exec), which cannot work here, as this process reaps all children itself: use a user with a token or a certificate, such as a service account's (kubectl create token)", kubeconfig)
	}
	return config, nil
}

// httpClient makes a client with a transport of its own. rest.TransportFor would
// hand the same transport to equal configurations.
func httpClient(config *rest.Config, userAgent string, configure func(*http.Transport)) (*http.Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = userAgent
	tokenFile := config.BearerTokenFile
	if tokenFile != "" {
		config.BearerToken, config.BearerTokenFile = "", ""
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		// Of the certificates' files the error names paths, of inline data nothing.
		return nil, fmt.Errorf("prepare TLS for the API server: %w", err)
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: 30 * time.Second,
		IdleConnTimeout:     5 * time.Minute,
		DisableCompression:  true,
	}
	if config.Proxy != nil {
		transport.Proxy = config.Proxy
	}
	if config.Dial != nil {
		transport.DialContext = config.Dial
	}
	configure(transport)
	wrapped, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, fmt.Errorf("prepare the credentials for the API server: %w", err)
	}
	if tokenFile != "" {
		wrapped = &tokenFileAuth{path: tokenFile, next: wrapped}
	}
	return &http.Client{
		Transport: wrapped,
		// A redirect would be a second request.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// configureWrites: with HTTP/1.1 a connection carries one request at a time. One
// idle connection at most, so that a second write, while the first one hangs,
// has to make a new one, and finds no other that died with the first.
func configureWrites(transport *http.Transport) {
	transport.MaxIdleConnsPerHost = 1
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
}

// configureHTTP2: several watches share a connection, which is asked for a sign
// of life when it is silent: a dead one would otherwise go unnoticed.
func configureHTTP2(transport *http.Transport) {
	transport.ForceAttemptHTTP2 = true
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second}
}
