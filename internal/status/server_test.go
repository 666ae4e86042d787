package status

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// run listens on a free port of the loopback and serves until the test ends.
func run(t *testing.T, s *Server) (address string) {
	t.Helper()
	return runOn(t, s, "127.0.0.1:0")
}

func runOn(t *testing.T, s *Server, endpoint string) (address string) {
	t.Helper()
	if err := s.Listen(endpoint); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.Addr().String()
}

func TestServer_Serves(t *testing.T) {
	t.Parallel()
	address := run(t, newServer(leading, Options{}))
	for range 2 { // the second on the same connection
		answer, err := http.Get("http://" + address + "/leader")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || string(body) != "pod-a leads\n" {
			t.Errorf("%d %q, %v", answer.StatusCode, body, err)
		}
	}
	answer, err := http.Head("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ContentLength <= 0 {
		t.Errorf("HEAD: %d, %d bytes", answer.StatusCode, answer.ContentLength)
	}
}

func TestListen_NamesARemedy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for address, want := range map[string]string{
		taken.Addr().String(): "another process of the Pod has this port",
		"192.0.2.1:0":         "the Pod does not have this address",
		"9999":                "for example :9999",
		"127.0.0.1:99999":     "for example :9999",
	} {
		s := newServer(standby, Options{})
		err := s.Listen(address)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", address, err, want)
		}
		if s.Addr() != nil {
			t.Errorf("%s: listens on %s", address, s.Addr())
		}
		if s.Run(t.Context()) == nil {
			t.Errorf("%s: Run without a port is no error", address)
		}
	}
}

func TestListen_LetsRequestsWaitUntilRun(t *testing.T) {
	t.Parallel()
	s := newServer(standby, Options{})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if _, err := io.WriteString(connection, "GET /livez HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if answer, err := bufio.NewReader(connection).ReadString('\n'); err != nil || answer != "HTTP/1.0 200 OK\r\n" {
		t.Errorf("answered %q, %v", answer, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRun_FailsWhenItsPortIsClosedUnderIt(t *testing.T) {
	t.Parallel()
	s := newServer(standby, Options{})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := s.listeners[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve status on 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
}

func TestRun_EndsWithItsContextWhoeverIsConnected(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}, 2), make(chan struct{})
	t.Cleanup(func() { close(release) })
	s := newServer(leading, Options{Probes: probes{
		live: func(ctx context.Context) error {
			asked <- struct{}{}
			<-ctx.Done() // the server's end, for the client does not go away
			return ctx.Err()
		},
		ready: func(context.Context) error {
			asked <- struct{}{}
			<-release // it hangs
			return nil
		},
	}})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var connections []net.Conn
	for _, request := range []string{"", "GET /lea", "GET /leader HTTP/1.1\r\nHost: x\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"} {
		connection, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		connections = append(connections, connection)
		if _, err := io.WriteString(connection, request); err != nil {
			t.Fatal(err)
		}
	}
	<-asked
	<-asked
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("still listens")
	}
	for i, connection := range connections {
		// A generous limit, for a failure that is not a hanging test.
		if err := connection.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(connection); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is still open", i)
		}
	}
}

func TestRun_GivesItsContextToProbes(t *testing.T) {
	t.Parallel()
	type key struct{}
	got := make(chan any, 1)
	s := newServer(leading, Options{Probes: probes{live: func(ctx context.Context) error {
		got <- ctx.Value(key{})
		return nil
	}}})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "mine"))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	raw(t, s.Addr().String(), "/livez")
	if value := <-got; value != "mine" {
		t.Errorf("the probe's context has %v; it does not come from Run's, and does not end with it", value)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A nanosecond has passed before the answer is written, as minutes would have
// if this thread had been stopped in between.
func TestServer_DropsAClaimThatExpiresBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	state := &election{}
	s := newServer(Snapshot{}, Options{})
	s.options.Source = state
	address := run(t, s)
	for _, path := range []string{"/", "/leader", "/metrics"} {
		state.set(Snapshot{Holding: true, ExpiresIn: time.Nanosecond})
		if got := raw(t, address, path); got != "" {
			t.Errorf("%s: answered %q", path, got)
		}
		state.set(Snapshot{Holding: true, ExpiresIn: time.Hour})
		if got := raw(t, address, path); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%s: answered %q", path, got)
		}
	}
}

// raw returns all that the server sends for one request.
func raw(t *testing.T, address, path string) string {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if _, err := io.WriteString(connection, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestServer_AnswersManyAtOnce(t *testing.T) {
	t.Parallel()
	state := &election{now: leading}
	s := newServer(Snapshot{}, Options{Probes: probes{ready: failing("no")}})
	s.options.Source = state
	address := run(t, s)
	var group sync.WaitGroup
	for _, path := range []string{"/", "/livez", "/readyz", "/startupz", "/leader", "/metrics"} {
		group.Go(func() {
			for range 20 {
				answer, err := http.Get("http://" + address + path)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
	group.Go(func() {
		for i := range 200 {
			state.set([]Snapshot{leading, standby, expired}[i%3])
			s.options.Metrics.Renewed(time.Duration(i) * time.Millisecond)
			s.options.Metrics.RenewFailed([]string{"timeout", "conflict"}[i%2])
			s.options.Metrics.Acquired()
			s.options.Metrics.ChildStarted()
			s.options.Metrics.ChildExited(i)
		}
	})
	group.Wait()
}
