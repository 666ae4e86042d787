package status

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a Source that counts how often it is asked.
type counted struct{ asked atomic.Int64 }

func (c *counted) Snapshot() Snapshot {
	c.asked.Add(1)
	return leading
}

// Clients that do not wait for answers, which the server therefore never waits for.
// On one processor, and beside no other test.
func TestServer_LetsOthersGoFirstBeforeEachAnswer(t *testing.T) {
	const connections, requests = 100, 200
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	source := &counted{}
	s := newServer(Snapshot{}, Options{})
	s.options.Source = source
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	for range connections { // which wait in the kernel, each with all its requests
		if _, err := dial(t, s).Write([]byte(strings.Repeat("GET /leader HTTP/1.1\r\nHost: x\r\n\r\n", requests))); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, s)
	turns := 0
	for source.asked.Load() < connections*requests {
		if source.asked.Load() > 0 {
			turns++
		}
		runtime.Gosched()
	}
	if turns < connections*requests/10 {
		t.Errorf("while %d requests were answered another goroutine had %d turns", connections*requests, turns)
	}
}

func TestServer_LetsConnectionsWaitForAPlace(t *testing.T) {
	t.Parallel()
	s := newServer(standby, Options{})
	s.crowd = newCrowd(2, 1)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	first, _, third := dial(t, s), dial(t, s), dial(t, s) // in this order they are accepted
	until(t, func() bool { return len(s.crowd.places) == 2 })
	request(t, third)
	request(t, first)
	if !read(t, first) {
		t.Error("a connection goes on after its answer though another one waits")
	}
	read(t, third)
}

func TestServer_KeepsAConnectionWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	s := newServer(standby, Options{})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	conn := dial(t, s)
	for range 3 {
		request(t, conn)
		if read(t, conn) {
			t.Fatal("it ends with the answer")
		}
	}
}

// Its listener waits for a place then, and not for the kernel.
func TestServer_EndsThoughConnectionsWait(t *testing.T) {
	t.Parallel()
	s := newServer(standby, Options{})
	s.crowd = newCrowd(1, 1)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	dial(t, s)
	dial(t, s)
	until(t, func() bool { return len(s.crowd.places) == 1 })
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEvents_AreRefusedWhenAllStreamsAreTaken(t *testing.T) {
	t.Parallel()
	s := newServer(standby, Options{})
	s.crowd = newCrowd(10, 1)
	address := run(t, s)
	ctx, leave := context.WithCancel(t.Context())
	open, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := http.DefaultClient.Do(open)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	code, header, body := ask(t, s, http.MethodGet, "/events")
	if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, "GET /") {
		t.Errorf("the second of one stream: %d, %v, %q", code, header, body)
	}
	if code, _, _ := ask(t, s, http.MethodGet, "/"); code != http.StatusOK {
		t.Errorf("/ answers %d", code)
	}
	leave()
	until(t, func() bool { return len(s.crowd.streams) == 0 })
	follow(t, address).next()
}

// serve runs a server that listens until the test ends.
func serve(t *testing.T, s *Server) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func request(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write([]byte("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
}

// read reads an answer and tells whether the connection ends with it.
func read(t *testing.T, conn net.Conn) (last bool) {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("answered %d", answer.StatusCode)
	}
	return answer.Close
}

// until waits for what must come, as long as the test may take.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for !is() {
		time.Sleep(time.Millisecond)
	}
}
