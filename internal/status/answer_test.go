package status

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// election is a Source whose state a test sets.
type election struct {
	mu  sync.Mutex
	now Snapshot
}

func (e *election) Snapshot() Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

func (e *election) set(now Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = now
}

// probes answers each question with a function; nil passes.
type probes struct {
	live, ready, startup func(context.Context) error
}

func (p probes) Live(ctx context.Context) error    { return call(ctx, p.live) }
func (p probes) Ready(ctx context.Context) error   { return call(ctx, p.ready) }
func (p probes) Startup(ctx context.Context) error { return call(ctx, p.startup) }

func call(ctx context.Context, probe func(context.Context) error) error {
	if probe == nil {
		return nil
	}
	return probe(ctx)
}

func failing(why string) func(context.Context) error {
	return func(context.Context) error { return errors.New(why) }
}

var (
	standby = Snapshot{Leader: "pod-b", Readable: true, Reason: "pod-b holds the lease"}
	leading = Snapshot{
		Holding: true, ExpiresIn: 12345678 * time.Microsecond, Token: "4711", Leader: "pod-a", Readable: true,
		Since: time.Date(2026, 1, 2, 3, 4, 5, 999, time.FixedZone("", 3600)), Transitions: 7, Reason: "the lease was released",
	}
	// The record still names this process, as it does until somebody else
	// takes the lease.
	expired = Snapshot{Holding: true, ExpiresIn: 0, Token: "4711", Leader: "pod-a", Readable: true, Since: leading.Since}
)

func newServer(now Snapshot, o Options) *Server {
	o.Source, o.Identity = &election{now: now}, "pod-a"
	o.Metrics, o.Logger = NewMetrics("v1.2.3"), slog.New(slog.DiscardHandler)
	return New(o)
}

// ask sends one request past any socket.
func ask(t *testing.T, s *Server, method, path string) (int, http.Header, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
	return recorder.Code, recorder.Header(), recorder.Body.String()
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	ill := probes{live: failing("liveness probe: exit status 1"), ready: failing("readiness probe: exit\nstatus 2"), startup: failing("startup probe: exit status 3")}
	unread := Snapshot{}
	unreadable := Snapshot{Problem: "get lease prod/db: forbidden; add the verb get"}
	for name, row := range map[string]struct {
		now    Snapshot
		probes Probes
		path   string
		code   int
		body   string
	}{
		"live standing by":                 {standby, ill, "/livez", 200, "ok\n"},
		"live while the lock is not known": {unreadable, ill, "/livez", 200, "ok\n"},
		"live leading":                     {leading, probes{}, "/livez", 200, "ok\n"},
		"live leading without probes":      {leading, nil, "/livez", 200, "ok\n"},
		"not live leading":                 {leading, ill, "/livez", 503, "liveness probe: exit status 1\n"},
		"not live after expiry":            {expired, probes{}, "/livez", 503, "the lease is lost, and the command has not been seen to be dead\n"},
		"not live after expiry, no probes": {expired, nil, "/livez", 503, "the lease is lost, and the command has not been seen to be dead\n"},
		"after expiry, whatever it says":   {expired, ill, "/livez", 503, "the lease is lost, and the command has not been seen to be dead\n"},

		"ready standing by":      {standby, ill, "/readyz", 200, "ok\n"},
		"not ready, unread":      {unread, nil, "/readyz", 503, "the lock has not been read yet\n"},
		"not ready, unreadable":  {unreadable, nil, "/readyz", 503, "the lock cannot be read: get lease prod/db: forbidden; add the verb get\n"},
		"ready leading":          {leading, probes{}, "/readyz", 200, "ok\n"},
		"ready leading, no read": {Snapshot{Holding: true, ExpiresIn: 1}, probes{}, "/readyz", 200, "ok\n"},
		"not ready leading":      {leading, ill, "/readyz", 503, "readiness probe: exit status 2\n"},
		"not ready after expiry": {expired, probes{}, "/readyz", 503, "the lease is lost, and the command has not been seen to be dead\n"},

		"started standing by":           {standby, ill, "/startupz", 200, "ok\n"},
		"started, lock unreadable":      {unreadable, ill, "/startupz", 200, "ok\n"},
		"started leading":               {leading, probes{}, "/startupz", 200, "ok\n"},
		"not started leading":           {leading, ill, "/startupz", 503, "startup probe: exit status 3\n"},
		"not started, expired":          {expired, probes{}, "/startupz", 503, "the lease is lost, and the command has not been seen to be dead\n"},
		"leader":                        {leading, ill, "/leader", 200, "pod-a leads\n"},
		"not leader standing by":        {standby, nil, "/leader", 503, "pod-a stands by; pod-b leads\n"},
		"not leader, nobody is":         {unread, nil, "/leader", 503, "pod-a stands by; nobody is known to lead\n"},
		"not leader, after expiry":      {expired, nil, "/leader", 503, "pod-a does not lead any more: its lease is lost\n"},
		"not leader, own old record":    {Snapshot{Leader: "pod-a"}, nil, "/leader", 503, "pod-a stands by; nobody is known to lead\n"},
		"a leader's name with controls": {Snapshot{Leader: "x\x1b[2J\ny"}, nil, "/leader", 503, "pod-a stands by; x [2J y leads\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, header, body := ask(t, newServer(row.now, Options{Probes: row.probes}), http.MethodGet, row.path)
			if code != row.code || body != row.body {
				t.Errorf("%d %q; want %d %q", code, body, row.code, row.body)
			}
			if got := header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("content type %q", got)
			}
			if got := header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("cache control %q", got)
			}
		})
	}
}

func TestObject_TellsTheStateOfTheElection(t *testing.T) {
	for name, row := range map[string]struct {
		now     Snapshot
		sidecar bool
		code    int
		body    string
	}{
		"standing by": {standby, false, 200, `{"status":"ok","is_leader":false,"leader":"pod-b","node":"pod-a","timestamp":"2000-01-01T00:00:00Z","fencing_token":"","lease_expires_in_seconds":0,"since":"","reason":"pod-b holds the lease"}`},
		"leading":     {leading, false, 200, `{"status":"ok","is_leader":true,"leader":"pod-a","node":"pod-a","timestamp":"2000-01-01T00:00:00Z","fencing_token":"4711","lease_expires_in_seconds":12.345,"since":"2026-01-02T02:04:05Z","reason":"the lease was released"}`},
		"expired":     {expired, false, 500, `{"status":"expired","is_leader":false,"leader":"","node":"pod-a","timestamp":"2000-01-01T00:00:00Z","fencing_token":"","lease_expires_in_seconds":0,"since":"","reason":""}`},
		"expired beside a process that must not be killed": {expired, true, 200, `{"status":"expired","is_leader":false,"leader":"","node":"pod-a","timestamp":"2000-01-01T00:00:00Z","fencing_token":"","lease_expires_in_seconds":0,"since":"","reason":""}`},
		"leading in a sidecar":                             {Snapshot{Holding: true, ExpiresIn: time.Nanosecond, Token: "1"}, true, 200, `{"status":"ok","is_leader":true,"leader":"pod-a","node":"pod-a","timestamp":"2000-01-01T00:00:00Z","fencing_token":"1","lease_expires_in_seconds":0,"since":"","reason":""}`},
		"nothing known":                                    {Snapshot{Problem: "forbidden"}, false, 200, `{"status":"ok","is_leader":false,"leader":"","node":"pod-a","timestamp":"2000-01-01T00:00:00Z","fencing_token":"","lease_expires_in_seconds":0,"since":"","reason":"forbidden"}`},
		"lost, and the record not yet rewritten":           {Snapshot{Leader: "pod-a", Token: "4711", ExpiresIn: time.Minute, Since: leading.Since, Readable: true}, false, 200, `{"status":"ok","is_leader":false,"leader":"","node":"pod-a","timestamp":"2000-01-01T00:00:00Z","fencing_token":"","lease_expires_in_seconds":0,"since":"","reason":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for the timestamp
				s := newServer(row.now, Options{Sidecar: row.sidecar})
				for _, path := range []string{"/", "/other", "/livez/", "//livez", "/%2e%2e/x", "/readyz/../livez"} {
					code, header, body := ask(t, s, http.MethodGet, path)
					if code != row.code || body != row.body+"\n" {
						t.Errorf("%s: %d %s\nwant %d %s", path, code, body, row.code, row.body)
					}
					if got := header.Get("Content-Type"); got != "application/json" {
						t.Errorf("%s: content type %q", path, got)
					}
					if !json.Valid([]byte(body)) {
						t.Errorf("%s: not JSON: %s", path, body)
					}
				}
			})
		})
	}
}

func TestServer_ServesOnlyGetAndHead(t *testing.T) {
	t.Parallel()
	s := newServer(leading, Options{})
	for _, path := range []string{"/", "/livez", "/metrics"} {
		if code, _, _ := ask(t, s, http.MethodHead, path); code != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, code)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			if code, header, _ := ask(t, s, method, path); code != http.StatusMethodNotAllowed || header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, code, header.Get("Allow"))
			}
		}
	}
}

// The lease ends while a probe takes its time, and the probe passes.
func TestProbes_CannotHideThatTheLeaseHasExpiredMeanwhile(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/livez", "/readyz", "/startupz"} {
		state := &election{now: leading}
		slow := func(context.Context) error {
			state.set(expired)
			return nil
		}
		s := newServer(Snapshot{}, Options{Probes: probes{live: slow, ready: slow, startup: slow}})
		s.options.Source = state
		if code, _, body := ask(t, s, http.MethodGet, path); code != 503 || !strings.Contains(body, "lease is lost") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestProbes_AreNotRunWhileStandingBy(t *testing.T) {
	t.Parallel()
	run := func(context.Context) error {
		t.Error("a probe was run without a command")
		return nil
	}
	s := newServer(standby, Options{Probes: probes{live: run, ready: run, startup: run}})
	for _, path := range []string{"/livez", "/readyz", "/startupz", "/leader", "/", "/metrics"} {
		ask(t, s, http.MethodGet, path)
	}
}

func TestProbes_EndWithTheRequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	wait := func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	s := newServer(leading, Options{Probes: probes{live: wait}})
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/livez", http.NoBody))
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("answered %d", recorder.Code)
	}
}
