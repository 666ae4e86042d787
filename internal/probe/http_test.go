package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// once runs the probe that the JSON describes, with %d as the port, against
// 127.0.0.1.
func once(t *testing.T, text string, port int) (warning string, err error) {
	t.Helper()
	spec, err := Parse(Readiness, strings.ReplaceAll(text, "%d", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := newHandler(Readiness, spec, Options{Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return handle(t.Context())
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// closedPort is a port that nobody listens on.
func closedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return portOf(t, listener.Addr().String())
}

func serve(t *testing.T, handler http.HandlerFunc) int {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return portOf(t, server.Listener.Addr().String())
}

func TestHTTP_TakesStatus200To399ForSuccess(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	})
	for status, want := range map[int]bool{200: true, 204: true, 299: true, 304: true, 399: true, 400: false, 404: false, 500: false, 503: false} {
		_, err := once(t, fmt.Sprintf(`{"httpGet":{"path":"/%d","port":%%d}}`, status), port)
		if got := err == nil; got != want {
			t.Errorf("status %d: %v", status, err)
		}
		if err != nil && !strings.Contains(err.Error(), strconv.Itoa(status)) {
			t.Errorf("status %d: %v does not say so", status, err)
		}
	}
}

func TestHTTP_SendsWhatTheSpecSays(t *testing.T) {
	t.Parallel()
	type seen struct {
		Method, URI, Host, Agent, Accept, Encoding string
		Custom                                     []string
	}
	requests := make(chan seen, 1)
	port := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		requests <- seen{r.Method, r.RequestURI, r.Host, r.UserAgent(), r.Header.Get("Accept"), r.Header.Get("Accept-Encoding"), r.Header["X-Custom"]}
	})
	for text, want := range map[string]seen{
		`{"httpGet":{"port":%d}}`: {
			"GET", "/", fmt.Sprintf("127.0.0.1:%d", port), "k8s-await-election/v1.2.3", "*/*", "", nil,
		},
		`{"httpGet":{"port":%d,"host":"localhost","path":"healthz?full=1","httpHeaders":[{"name":"Host","value":"db.example"},{"name":"user-agent","value":"me"},{"name":"Accept","value":"text/plain"},{"name":"X-Custom","value":"a"},{"name":"X-Custom","value":"b"}]}}`: {
			"GET", "/healthz?full=1", "db.example", "me", "text/plain", "", []string{"a", "b"},
		},
		`{"httpGet":{"port":%d,"path":"/a%zz","httpHeaders":[{"name":"Accept","value":""}]}}`: {
			"GET", "/a%25zz", fmt.Sprintf("127.0.0.1:%d", port), "k8s-await-election/v1.2.3", "", "", nil,
		},
	} {
		if _, err := once(t, text, port); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := <-requests; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\nsent %+v\nwant %+v", text, got, want)
		}
	}
}

func TestHTTP_UsesANewConnectionEachTime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	remote := map[string]bool{}
	port := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		remote[r.RemoteAddr] = true
	})
	spec, err := Parse(Liveness, fmt.Sprintf(`{"httpGet":{"port":%d}}`, port))
	if err != nil {
		t.Fatal(err)
	}
	handle := httpHandler(spec.HTTPGet, "127.0.0.1", "v1")
	for range 3 {
		if _, err := handle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(remote) != 3 {
		t.Errorf("%d connections for 3 probes", len(remote))
	}
}

func TestHTTP_DoesNotVerifyCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	if _, err := once(t, `{"httpGet":{"port":%d,"scheme":"HTTPS","host":"localhost"}}`, portOf(t, server.Listener.Addr().String())); err != nil {
		t.Error(err)
	}
}

func TestHTTP_FollowsRedirectsOnTheSameHost(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		left, _ := strconv.Atoi(r.URL.Query().Get("left"))
		switch {
		case left > 0:
			http.Redirect(w, r, fmt.Sprintf("/?left=%d", left-1), http.StatusFound)
		case r.URL.Query().Has("ill"):
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	if warning, err := once(t, `{"httpGet":{"port":%d,"path":"/?left=9"}}`, port); err != nil || warning != "" {
		t.Errorf("nine redirects: %q, %v", warning, err)
	}
	if _, err := once(t, `{"httpGet":{"port":%d,"path":"/?left=10"}}`, port); err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") {
		t.Errorf("ten redirects: %v", err)
	}
}

func TestHTTP_JudgesTheTargetOfARedirectOnTheSameHost(t *testing.T) {
	t.Parallel()
	ill := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		// Another port is the same host, as for the kubelet.
		http.Redirect(w, r, fmt.Sprintf("http://127.0.0.1:%d/", ill), http.StatusFound)
	})
	if _, err := once(t, `{"httpGet":{"port":%d}}`, port); err == nil || !strings.Contains(err.Error(), "status 500") {
		t.Errorf("got %v; want the target's status", err)
	}
}

func TestHTTP_TakesARedirectToAnotherHostForSuccessWithAWarning(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://other.invalid/?token=SECRET", http.StatusFound)
	})
	warning, err := once(t, `{"httpGet":{"port":%d}}`, port)
	if err != nil || !strings.Contains(warning, "302") || strings.Contains(warning, "SECRET") {
		t.Errorf("%q, %v; want a warning with the status", warning, err)
	}
}

func TestHTTP_RepeatsNeitherQueryNorBodyNorHeaders(t *testing.T) {
	t.Parallel()
	text := `{"httpGet":{"port":%d,"path":"/healthz?token=SECRET","httpHeaders":[{"name":"Authorization","value":"SECRET"}]}}`
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "SECRET", http.StatusForbidden) })
	for what, port := range map[string]int{"refused": closedPort(t), "forbidden": port} {
		_, err := once(t, text, port)
		if err == nil || strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), fmt.Sprintf("GET http://127.0.0.1:%d/healthz: ", port)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestHTTP_FailsWhenTheAnswerDoesNotEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	get := &HTTPGet{Path: "/", Port: port, Scheme: "HTTP"}
	if _, err := httpHandler(get, "127.0.0.1", "v1")(ctx); err == nil {
		t.Error("an answer that broke off passed")
	}
}

func TestHTTP_ReadsNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for r.Context().Err() == nil { // for ever, were it read to its end
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if _, err := once(t, `{"httpGet":{"port":%d}}`, port); err != nil {
		t.Error(err)
	}
}

func TestTCP_ConnectsAndNothingMore(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	port := portOf(t, listener.Addr().String())
	for _, text := range []string{`{"tcpSocket":{"port":%d}}`, `{"tcpSocket":{"port":%d,"host":"localhost"}}`} {
		if _, err := once(t, text, port); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err = once(t, `{"tcpSocket":{"port":%d}}`, closedPort(t))
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port: %v", err)
	}
}

func TestHandlers_ConnectToThePodsIPWhereTheSpecNamesNoHost(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"httpGet":{"port":1}}`, `{"tcpSocket":{"port":1}}`, `{"grpc":{"port":1}}`} {
		spec, err := Parse(Startup, text)
		if err != nil {
			t.Fatal(err)
		}
		handle, err := newHandler(Startup, spec, Options{Host: "no-such-host.invalid"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := handle(t.Context()); err == nil || !strings.Contains(err.Error(), "no-such-host.invalid") {
			t.Errorf("%s: %v; want it to look for the host given", text, err)
		}
	}
}

func TestHandlers_FailForAHostThatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"httpGet":{"port":%d,"host":"a b"}}`, `{"tcpSocket":{"port":%d,"host":"a b"}}`} {
		if _, err := once(t, text, 1); err == nil {
			t.Errorf("%s passed", text)
		}
	}
}

func TestHTTP_ReachesAnIPv6Address(t *testing.T) {
	t.Parallel()
	target := address(&HTTPGet{Path: "/x", Port: 80, Scheme: "HTTP"}, "fd00::1")
	if target.String() != "http://[fd00::1]:80/x" {
		t.Errorf("asks %s", target)
	}
}
