// Package probe_test tries what internal/probe and internal/status make by hand
// against the programs that define it: a real gRPC health server, and
// Prometheus' own parser.
package probe_test

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/k8s-await-election/k8s-await-election/internal/probe"
)

// serve starts a gRPC server and returns its port.
func serve(t *testing.T, register func(*grpc.Server)) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().(*net.TCPAddr).Port
}

// live runs a liveness probe of grpc once.
func live(t *testing.T, port int, service string) error {
	t.Helper()
	spec, err := probe.Parse(probe.Liveness, fmt.Sprintf(`{"grpc":{"port":%d,"service":%q},"timeoutSeconds":10}`, port, service))
	if err != nil {
		t.Fatal(err)
	}
	checks, err := probe.New(probe.Options{Liveness: spec, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	checks.Started()
	defer checks.Stopped()
	return checks.Live(t.Context())
}

func TestGRPC_ReadsTheAnswersOfARealHealthServer(t *testing.T) {
	t.Parallel()
	registry := health.NewServer()
	registry.SetServingStatus("db", healthpb.HealthCheckResponse_NOT_SERVING)
	registry.SetServingStatus("cache", healthpb.HealthCheckResponse_UNKNOWN)
	long := strings.Repeat("long.", 100) // a length of two bytes
	registry.SetServingStatus(long, healthpb.HealthCheckResponse_SERVING)
	port := serve(t, func(server *grpc.Server) { healthpb.RegisterHealthServer(server, registry) })

	for service, want := range map[string]string{
		"":      "",
		long:    "",
		"db":    "NOT_SERVING",
		"cache": "UNKNOWN",
		"nope":  "does not know this service",
	} {
		err := live(t, port, service)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("service %q: %v; want %q", service, err, want)
		}
	}

	registry.Shutdown()
	if err := live(t, port, ""); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("after shutdown: %v", err)
	}
}

func TestGRPC_SaysThatARealServerHasNoHealthService(t *testing.T) {
	t.Parallel()
	port := serve(t, func(*grpc.Server) {})
	if err := live(t, port, ""); err == nil || !strings.Contains(err.Error(), "does not implement grpc.health.v1.Health") {
		t.Errorf("got %v", err)
	}
}
