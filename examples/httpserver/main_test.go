package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

func TestServer_AnswersWithItsNameAndItsFencingToken(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{"42": "fencing token 42\n", "": "fencing token none\n"} {
		answer := httptest.NewRecorder()
		server{name: "a", token: token}.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/any", nil))
		if got := answer.Body.String(); !strings.HasPrefix(got, "a, pid ") || !strings.HasSuffix(got, want) {
			t.Errorf("token %q: got %q", token, got)
		}
	}
}

func TestServer_EndsItsRecordWhenItIsToldToStop(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "runs")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := quiet().serve(ctx, "127.0.0.1:0", file); err != nil {
		t.Fatal(err)
	}
	if runs, err := record.Read(file); err != nil || len(runs) != 1 || !runs[0].Ended {
		t.Errorf("runs %+v, error %v", runs, err)
	}
}

func TestServer_FailsWhereItsPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	if err := quiet().serve(t.Context(), taken.Addr().String(), ""); err == nil {
		t.Error("served on a port that another process has")
	}
}

func quiet() server {
	return server{name: "a", log: slog.New(slog.DiscardHandler)}
}
