package status

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// term is a Source that leads until an instant.
type term struct{ until time.Time }

func (t term) Snapshot() Snapshot {
	return Snapshot{Holding: true, ExpiresIn: time.Until(t.until), Token: "4711", Leader: "pod-a", Readable: true}
}

// stream reads events until the test ends.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
}

func follow(t *testing.T, address string) *stream {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("answered %d, %s", answer.StatusCode, kind)
	}
	return &stream{t, bufio.NewScanner(answer.Body)}
}

// next is the next event; nil: the stream has ended.
func (s *stream) next() *object {
	s.t.Helper()
	for s.lines.Scan() {
		text, found := strings.CutPrefix(s.lines.Text(), "data: ")
		if !found {
			continue
		}
		o := &object{}
		if err := json.Unmarshal([]byte(text), o); err != nil {
			s.t.Fatal(err)
		}
		return o
	}
	return nil
}

func TestEvents_BeginWithTheObjectAndTellEachChange(t *testing.T) {
	t.Parallel()
	state := &election{now: standby}
	s := newServer(Snapshot{}, Options{})
	s.options.Source = state
	events := follow(t, run(t, s))
	if o := events.next(); o.IsLeader || o.Leader != "pod-b" || o.Node != "pod-a" || o.Status != "ok" {
		t.Errorf("at first: %+v", o)
	}
	change := func(now Snapshot) {
		state.set(now)
		s.Changed()
	}
	// Told of nothing new, the reader is left alone: the next event is the
	// next change.
	change(Snapshot{Leader: "pod-b", Readable: true, Reason: "another one"})
	change(leading)
	if o := events.next(); !o.IsLeader || o.Leader != "pod-a" || o.FencingToken != "4711" || o.LeaseExpiresInSeconds != 12.345 {
		t.Errorf("elected: %+v", o)
	}
	longer := leading
	longer.ExpiresIn += time.Second
	change(longer)
	if o := events.next(); !o.IsLeader || o.LeaseExpiresInSeconds != 13.345 {
		t.Errorf("renewed: %+v", o)
	}
	change(expired)
	if o := events.next(); o.IsLeader || o.Leader != "" || o.Status != "expired" {
		t.Errorf("over: %+v", o)
	}
	change(Snapshot{Leader: "pod-c"})
	if o := events.next(); o.IsLeader || o.Leader != "pod-c" {
		t.Errorf("somebody else: %+v", o)
	}
}

// Whoever should have called Changed hangs.
func TestEvents_TellTheEndOfATermThatNobodyTellsOf(t *testing.T) {
	t.Parallel()
	s := newServer(Snapshot{}, Options{})
	s.options.Source = term{time.Now().Add(300 * time.Millisecond)}
	events := follow(t, run(t, s))
	if o := events.next(); !o.IsLeader {
		t.Fatalf("at first: %+v", o)
	}
	if o := events.next(); o.IsLeader || o.FencingToken != "" {
		t.Errorf("then: %+v", o)
	}
}

func TestEvents_EndRatherThanClaimTooLate(t *testing.T) {
	t.Parallel()
	state := &election{now: standby}
	s := newServer(Snapshot{}, Options{})
	s.options.Source = state
	events := follow(t, run(t, s))
	events.next()
	// It has passed before the event is written, as minutes would have if the
	// thread had been stopped in between.
	state.set(Snapshot{Holding: true, ExpiresIn: time.Nanosecond})
	s.Changed()
	if o := events.next(); o != nil {
		t.Errorf("got %+v", o)
	}
}

func TestEvents_EndWithTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(leading, Options{})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	events := follow(t, s.Addr().String())
	events.next()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if o := events.next(); o != nil {
		t.Errorf("got %+v", o)
	}
}

func TestEvents_ReachManyReaders(t *testing.T) {
	t.Parallel()
	state := &election{now: standby}
	s := newServer(Snapshot{}, Options{})
	s.options.Source = state
	address := run(t, s)
	var group sync.WaitGroup
	for range 20 {
		events := follow(t, address)
		group.Go(func() {
			for o := events.next(); o == nil || !o.IsLeader; o = events.next() {
				if o == nil {
					t.Error("the stream has ended")
					return
				}
			}
		})
	}
	state.set(leading)
	s.Changed()
	group.Wait()
}

func TestHealthz_IsOfSidecarsAlone(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]Snapshot{"standby": standby, "leading": leading, "expired": expired} {
		code, header, body := ask(t, newServer(now, Options{Sidecar: true}), http.MethodGet, "/healthz")
		if code != http.StatusOK || body != "ok" || header.Get("Content-Type") != plain {
			t.Errorf("%s: a sidecar answers %d %q", name, code, body)
		}
	}
	if code, _, body := ask(t, newServer(expired, Options{}), http.MethodGet, "/healthz"); code != http.StatusInternalServerError || !strings.Contains(body, `"status":"expired"`) {
		t.Errorf("a gate answers %d %q", code, body)
	}
}

func TestServer_ServesEachOfItsAddresses(t *testing.T) {
	t.Parallel()
	s := newServer(leading, Options{Sidecar: true})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	address := run(t, s) // which listens once more
	second := s.listeners[1].Addr().String()
	for _, address := range []string{address, second} {
		if got := raw(t, address, "/healthz"); !strings.HasSuffix(got, "\r\n\r\nok") {
			t.Errorf("%s: %q", address, got)
		}
	}
}
