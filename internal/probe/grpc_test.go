package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// serveGRPC is an HTTP/2 server without TLS. The same handler is tried against
// a real gRPC server in the e2e module.
func serveGRPC(t *testing.T, handler http.HandlerFunc) int {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return portOf(t, server.Listener.Addr().String())
}

// answer makes a gRPC server's answer: message, then the status as trailers.
func answer(w http.ResponseWriter, message []byte, status, text string) {
	w.Header().Set("Content-Type", "application/grpc+proto")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(message)
	if status != "" {
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", text)
	}
}

func TestGRPC_AsksAsTheProtocolSays(t *testing.T) {
	t.Parallel()
	type seen struct {
		proto, method, path, kind, te, agent string
		body                                 []byte
		timeout                              bool
	}
	requests := make(chan seen, 1)
	port := serveGRPC(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- seen{r.Proto, r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Te"), r.UserAgent(), body, r.Header.Get("Grpc-Timeout") != ""}
		answer(w, []byte{0, 0, 0, 0, 2, 8, 1}, "0", "")
	})
	for text, want := range map[string][]byte{
		`{"grpc":{"port":%d}}`:                {0, 0, 0, 0, 0},
		`{"grpc":{"port":%d,"service":"db"}}`: {0, 0, 0, 0, 4, 10, 2, 'd', 'b'},
	} {
		if _, err := once(t, text, port); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := <-requests
		if !bytes.Equal(got.body, want) {
			t.Errorf("%s: sent %v; want %v", text, got.body, want)
		}
		got.body = nil
		asked := seen{"HTTP/2.0", "POST", "/grpc.health.v1.Health/Check", "application/grpc", "trailers", "k8s-await-election/v1.2.3", nil, false}
		if fmt.Sprint(got) != fmt.Sprint(asked) {
			t.Errorf("%s: sent %+v; want %+v", text, got, asked)
		}
	}
}

func TestGRPC_TellsTheServerItsDeadline(t *testing.T) {
	t.Parallel()
	timeouts := make(chan string, 1)
	port := serveGRPC(t, func(w http.ResponseWriter, r *http.Request) {
		timeouts <- r.Header.Get("Grpc-Timeout")
		answer(w, []byte{0, 0, 0, 0, 2, 8, 1}, "0", "")
	})
	for limit, want := range map[time.Duration]*regexp.Regexp{
		time.Minute:        regexp.MustCompile(`^[1-9]\d{1,4}m$`),
		1000 * time.Hour:   regexp.MustCompile(`^$`), // more digits than are allowed
		365000 * time.Hour: regexp.MustCompile(`^$`),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		if _, err := grpcHandler(&GRPC{Port: port}, "127.0.0.1", "v1")(ctx); err != nil {
			t.Error(err)
		} else if timeout := <-timeouts; !want.MatchString(timeout) {
			t.Errorf("grpc-timeout for %s is %q", limit, timeout)
		}
		cancel()
	}
}

func TestGRPC_PassesForServingAlone(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		message      []byte
		status, text string
		want         string // empty: it passes
	}{
		"serving":              {[]byte{0, 0, 0, 0, 2, 8, 1}, "0", "", ""},
		"serving among others": {[]byte{0, 0, 0, 0, 21, 16, 7, 25, 1, 2, 3, 4, 5, 6, 7, 8, 37, 1, 2, 3, 4, 42, 1, 9, 8, 1}, "0", "", ""},
		"no field":             {[]byte{0, 0, 0, 0, 0}, "0", "", "UNKNOWN"},
		"unknown":              {[]byte{0, 0, 0, 0, 2, 8, 0}, "0", "", "UNKNOWN"},
		"not serving":          {[]byte{0, 0, 0, 0, 2, 8, 2}, "0", "", "NOT_SERVING"},
		"service unknown":      {[]byte{0, 0, 0, 0, 2, 8, 3}, "0", "", "SERVICE_UNKNOWN"},
		"another status":       {[]byte{0, 0, 0, 0, 3, 8, 0x80, 1}, "0", "", "status 128"},
		"no such service":      {nil, "5", "", "does not know this service"},
		"no health service":    {nil, "12", "", "does not implement grpc.health.v1.Health"},
		"an error":             {nil, "14", "try%20again%0Alater", "grpc status 14: try again later"},
		"an error, serving":    {[]byte{0, 0, 0, 0, 2, 8, 1}, "13", "", "grpc status 13"},
		"no status":            {[]byte{0, 0, 0, 0, 2, 8, 1}, "", "", "broke off"},
		"no message":           {nil, "0", "", "malformed"},
		"compressed":           {[]byte{1, 0, 0, 0, 2, 8, 1}, "0", "", "malformed"},
		"too short":            {[]byte{0, 0, 0, 0, 3, 8, 1}, "0", "", "malformed"},
		"two messages":         {[]byte{0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 0}, "0", "", "malformed"},
		"broken tag":           {[]byte{0, 0, 0, 0, 1, 0x80}, "0", "", "malformed"},
		"broken varint":        {[]byte{0, 0, 0, 0, 2, 8, 0x80}, "0", "", "malformed"},
		"broken length":        {[]byte{0, 0, 0, 0, 2, 18, 0x80}, "0", "", "malformed"},
		"length beyond":        {[]byte{0, 0, 0, 0, 2, 18, 9}, "0", "", "malformed"},
		"fixed beyond":         {[]byte{0, 0, 0, 0, 2, 17, 9}, "0", "", "malformed"},
		"group":                {[]byte{0, 0, 0, 0, 2, 11, 9}, "0", "", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := serveGRPC(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, row.message, row.status, row.text) })
			_, err := once(t, `{"grpc":{"port":%d,"service":"db"}}`, port)
			switch {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("got %v; want %q", err, row.want)
			case err != nil && strings.Contains(err.Error(), "\n"):
				t.Errorf("%q is more than one line", err)
			}
		})
	}
}

func TestGRPC_ReadsAStatusAmongTheHeaders(t *testing.T) {
	t.Parallel()
	port := serveGRPC(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "12")
	})
	if _, err := once(t, `{"grpc":{"port":%d}}`, port); err == nil || !strings.Contains(err.Error(), "does not implement") {
		t.Errorf("got %v", err)
	}
}

func TestGRPC_FailsWhereNoGRPCServerListens(t *testing.T) {
	t.Parallel()
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	elsewhere := serveGRPC(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, []byte{0, 0, 0, 0, 2, 8, 1}, "0", "") })
	for what, port := range map[string]int{
		"HTTP/1 only": plain,
		"not gRPC":    serveGRPC(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }),
		"404":         serveGRPC(t, http.NotFound),
		"a redirect": serveGRPC(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprintf("http://127.0.0.1:%d/", elsewhere), http.StatusTemporaryRedirect)
		}),
		"nobody": closedPort(t),
	} {
		_, err := once(t, `{"grpc":{"port":%d}}`, port)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("grpc health check of 127.0.0.1:%d: ", port)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
