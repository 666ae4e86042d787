package status

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheck_PrintsTheBodyAndTakes2xxForSuccess(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := 0
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &code); err != nil {
			t.Error(err)
		}
		if code == 302 {
			http.Redirect(w, r, "/200", code)
			return
		}
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = fmt.Fprintf(w, "this is %d", code)
		}
	}))
	t.Cleanup(server.Close)
	for code, row := range map[int]struct{ body, problem string }{
		200: {"this is 200", ""},
		204: {"", ""},
		302: {"this is 200", ""},
		304: {"", "status 304 Not Modified"},
		404: {"this is 404", "status 404 Not Found"},
		503: {"this is 503", "status 503 Service Unavailable"},
	} {
		var out bytes.Buffer
		err := Check(t.Context(), fmt.Sprintf("%s/%d", server.URL, code), &out)
		if out.String() != row.body {
			t.Errorf("%d: printed %q; want %q", code, &out, row.body)
		}
		if row.problem == "" && err != nil || row.problem != "" && (err == nil || !strings.Contains(err.Error(), row.problem) || !strings.Contains(err.Error(), server.URL)) {
			t.Errorf("%d: %v; want %q", code, err, row.problem)
		}
	}
}

func TestCheck_VerifiesCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	err := Check(t.Context(), server.URL, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

func TestCheck_RefusesWhatIsNoURLAndRepeatsNoPassword(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"":                                    "for example http://my-service:8080/healthz",
		"my-service:8080":                     "for example http://",
		"localhost":                           "for example http://",
		"ftp://user:SECRET@host/":             "http or https",
		"http://":                             "and a host",
		"http://user:SECRET@ho st/":           "for example http://",
		"http://user:SECRET@" + closed + "/x": "check http://user:xxxxx@" + closed + "/x: ",
	} {
		err := Check(t.Context(), target, new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v; want %q", target, err, want)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestClients_FailWhenTheyCannotPrint(t *testing.T) {
	t.Parallel()
	address := run(t, newServer(leading, Options{}))
	if err := Check(t.Context(), "http://"+address, brokenPipe{}); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("Check: %v", err)
	}
	if err := Show(t.Context(), address, brokenPipe{}); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("Show: %v", err)
	}
}

func TestShow_PrintsWhoLeadsSinceWhenAndWhy(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		now  Snapshot
		want string
	}{
		"leading":       {leading, "leader: pod-a\nsince:  2026-01-02T02:04:05Z\nthis:   pod-a (leads, lease valid for 12.345 s, fencing token 4711)\nreason: the lease was released\n"},
		"standing by":   {standby, "leader: pod-b\nsince:  unknown\nthis:   pod-a (stands by)\nreason: pod-b holds the lease\n"},
		"expired":       {expired, "leader: nobody is known to lead\nsince:  unknown\nthis:   pod-a (does not lead any more: its lease is lost)\nreason: unknown\n"},
		"controls":      {Snapshot{Leader: "x\x1b]0;\ay", Reason: "a\nb"}, "leader: x ]0; y\nsince:  unknown\nthis:   pod-a (stands by)\nreason: a b\n"},
		"nothing known": {Snapshot{Problem: "forbidden"}, "leader: nobody is known to lead\nsince:  unknown\nthis:   pod-a (stands by)\nreason: forbidden\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := run(t, newServer(row.now, Options{}))
			var out bytes.Buffer
			if err := Show(t.Context(), address, &out); err != nil || out.String() != row.want {
				t.Errorf("%v, printed\n%s\nwant\n%s", err, &out, row.want)
			}
		})
	}
}

func TestShow_ReachesAServerThatListensOnAllAddresses(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		":9999":          "127.0.0.1:9999",
		"0.0.0.0:9999":   "127.0.0.1:9999",
		"[::]:9999":      "[::1]:9999",
		"10.1.2.3:9999":  "10.1.2.3:9999",
		"[fd00::1]:9999": "[fd00::1]:9999",
		"localhost:http": "localhost:http",
	} {
		if got, err := dialAddress(endpoint); err != nil || got != want {
			t.Errorf("%s: asks %s, %v; want %s", endpoint, got, err, want)
		}
	}
	_, port, err := net.SplitHostPort(runOn(t, newServer(standby, Options{}), ":0"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Show(t.Context(), ":"+port, &out); err != nil || !strings.Contains(out.String(), "pod-b") {
		t.Errorf("%v, printed %q", err, &out)
	}
}

func TestShow_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	array := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"state":"ok"}`)) }))
	t.Cleanup(array.Close)
	for endpoint, want := range map[string]string{
		"":                                "is not set, so nothing can be asked",
		"9999":                            "must be an address and a port",
		"localhost:":                      "must be an address and a port",
		":0":                              "must be an address and a port",
		closed:                            "is k8s-await-election running in this container?",
		stranger.Listener.Addr().String(): "answers with status 404 and no status object",
		array.Listener.Addr().String():    "answers with status 200 and no status object",
	} {
		var out bytes.Buffer
		err := Show(t.Context(), endpoint, &out)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), Endpoint) || out.Len() > 0 {
			t.Errorf("%q: %v, printed %q; want %q", endpoint, err, &out, want)
		}
	}
}
