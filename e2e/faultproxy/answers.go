package faultproxy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// Answers is a reverse proxy in front of an API server. It authenticates to the
// server as the user of the config it was made with, whoever asks.
type Answers struct {
	server *httptest.Server

	mu    sync.Mutex
	rule  func(*http.Request) http.Handler
	delay time.Duration
	seen  []string
}

// Intercept starts a reverse proxy to the API server of config.
func Intercept(config *rest.Config) (*Answers, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("start a reverse proxy: %w", err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("start a reverse proxy: %w", err)
	}
	a := &Answers{}
	// What goes wrong here (a certificate that a client does not trust, a client
	// that leaves) is what tests do on purpose, and they see it in the client.
	silent := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	forward := &httputil.ReverseProxy{
		ErrorLog:      silent,
		Transport:     transport,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1, // a watch's events pass at once
	}
	a.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.seen = append(a.seen, r.Method+" "+r.URL.RequestURI())
		delay := a.delay
		var own http.Handler
		if a.rule != nil {
			own = a.rule(r)
		}
		a.mu.Unlock()
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
		if own != nil {
			own.ServeHTTP(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	a.server.Config.ErrorLog = silent
	a.server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	a.server.EnableHTTP2 = true
	a.server.StartTLS()
	return a, nil
}

// Config is the access for clients of the proxy.
func (a *Answers) Config() *rest.Config {
	return &rest.Config{
		Host: a.server.URL,
		TLSClientConfig: rest.TLSClientConfig{CAData: pem.EncodeToMemory(&pem.Block{
			Type: "CERTIFICATE", Bytes: a.certificate().Raw,
		})},
		QPS: -1,
	}
}

func (a *Answers) certificate() *x509.Certificate { return a.server.Certificate() }

// Answer asks rule for every request from now on; where it returns a handler,
// that answers in place of the server. nil forwards everything again. The rule
// is called by one goroutine at a time.
func (a *Answers) Answer(rule func(*http.Request) http.Handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rule = rule
}

// Delay lets every request from now on wait for d before it is forwarded, or
// answered by the rule. Zero: not at all.
func (a *Answers) Delay(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delay = d
}

// Seen are the requests so far, as "METHOD URI".
func (a *Answers) Seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.seen...)
}

// Close ends the proxy together with all its connections.
func (a *Answers) Close() {
	a.server.CloseClientConnections()
	a.server.Close()
}

// Status is a handler that answers as an API server does: a code, a Status
// object with a reason, and header lines as pairs of name and value.
func Status(code int, reason, message string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`+"\n", message, reason, code)
	})
}
