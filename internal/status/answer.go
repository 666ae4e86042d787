package status

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.crowd.queue() // before anything is looked at, so that no answer grows old by it
	if s.crowd.isDense() {
		w.Header().Set("Connection", "close")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		send(w, time.Time{}, http.StatusMethodNotAllowed, plain, line("only GET and HEAD are served"))
		return
	}
	// No ServeMux: it would redirect paths that it finds unclean, and every
	// path has an answer here.
	switch r.URL.Path {
	case "/livez":
		s.answerProbe(w, s.live(r.Context()))
	case "/readyz":
		s.answerProbe(w, s.ready(r.Context()))
	case "/startupz":
		s.answerProbe(w, s.startup(r.Context()))
	case "/leader":
		s.answerLeader(w)
	case "/metrics":
		s.answerMetrics(w)
	case "/events":
		s.answerEvents(w, r)
	case "/healthz":
		if s.options.Sidecar { // a gate that replaces another tool answers there as on any path
			send(w, time.Time{}, http.StatusOK, plain, []byte("ok")) // leader-elector sends no more
			return
		}
		s.answerObject(w)
	default:
		s.answerObject(w)
	}
}

// live says why the kubelet should restart the container, if it should. The
// election alone is no reason while the process stands by.
func (s *Server) live(ctx context.Context) string {
	if !s.options.Source.Snapshot().Holding {
		return ""
	}
	return s.ofCommand(ctx, Probes.Live)
}

// ready says why the Pod is not ready, if it is not. A standby that could take
// over at any moment is ready: rollouts and `helm --wait` go on.
func (s *Server) ready(ctx context.Context) string {
	now := s.options.Source.Snapshot()
	switch {
	case now.Holding:
		return s.ofCommand(ctx, Probes.Ready)
	case now.Readable:
		return ""
	case now.Problem == "":
		return "the lock has not been read yet"
	}
	return "the lock cannot be read: " + now.Problem
}

// startup says why the container has not started up, if it has not. One that
// stands by has: the kubelet would kill it otherwise, also where it only waits
// for an API server that is away.
func (s *Server) startup(ctx context.Context) string {
	if !s.options.Source.Snapshot().Holding {
		return ""
	}
	return s.ofCommand(ctx, Probes.Startup)
}

// ofCommand asks a probe, which may take seconds, and then looks at the lease:
// its validity counts at the moment of the answer.
func (s *Server) ofCommand(ctx context.Context, ask func(Probes, context.Context) error) string {
	var err error
	if s.options.Probes != nil {
		err = ask(s.options.Probes, ctx)
	}
	switch {
	case s.options.Source.Snapshot().expired() && s.options.Sidecar:
		return "the lease is lost, and the claim to lead has not been seen to be gone"
	case s.options.Source.Snapshot().expired():
		return "the lease is lost, and the command has not been seen to be dead"
	case err != nil:
		return err.Error()
	}
	return ""
}

// answerProbe says «ok», which claims nothing about leadership, or why not.
func (s *Server) answerProbe(w http.ResponseWriter, why string) {
	if why == "" {
		send(w, time.Time{}, http.StatusOK, plain, line("ok"))
		return
	}
	send(w, time.Time{}, http.StatusServiceUnavailable, plain, line(why))
}

func (s *Server) answerMetrics(w http.ResponseWriter) {
	var until time.Time
	text := s.options.Metrics.expose(func() (now Snapshot) {
		now, until = s.look()
		return now
	})
	send(w, until, http.StatusOK, exposition, text)
}

// look takes a snapshot and tells until when an answer that is made from it may
// be handed out: for ever (zero), unless it claims that this process leads.
func (s *Server) look() (now Snapshot, until time.Time) {
	// Read first: whatever holds up this thread later shortens the claim.
	asked := time.Now()
	now = s.options.Source.Snapshot()
	if now.leads() {
		until = asked.Add(now.ExpiresIn)
	}
	return now, until
}

func (s *Server) answerLeader(w http.ResponseWriter) {
	now, until := s.look()
	identity := s.options.Identity
	switch leader := now.leader(identity); {
	case now.leads():
		send(w, until, http.StatusOK, plain, line(identity+" leads"))
	case now.expired():
		send(w, time.Time{}, http.StatusServiceUnavailable, plain, line(identity+" does not lead any more: its lease is lost"))
	case leader == "":
		send(w, time.Time{}, http.StatusServiceUnavailable, plain, line(identity+" stands by; nobody is known to lead"))
	default:
		send(w, time.Time{}, http.StatusServiceUnavailable, plain, line(identity+" stands by; "+leader+" leads"))
	}
}

// object is the answer to `/`. The first field is the one of LINBIT's
// k8s-await-election, the next four are those of k8s-elector. All are present
// in every answer.
type object struct {
	Status    string `json:"status"` // ok or expired
	IsLeader  bool   `json:"is_leader"`
	Leader    string `json:"leader"`    // empty: nobody is known to lead
	Node      string `json:"node"`      // this candidate's identity
	Timestamp string `json:"timestamp"` // RFC 3339, UTC, whole seconds
	// FencingToken is empty, and LeaseExpiresInSeconds 0, on who does not lead.
	FencingToken          string  `json:"fencing_token"`
	LeaseExpiresInSeconds float64 `json:"lease_expires_in_seconds"`
	Since                 string  `json:"since"`  // as Timestamp; empty: not known
	Reason                string  `json:"reason"` // for people
}

func (s *Server) answerObject(w http.ResponseWriter) {
	o, until := s.object()
	code := http.StatusOK
	if o.Status == expiredStatus && !s.options.Sidecar {
		code = http.StatusInternalServerError
	}
	send(w, until, code, "application/json", append(o.encode(), '\n'))
}

const (
	okStatus      = "ok"
	expiredStatus = "expired"
)

// object is the state now, and until when it may be handed out (look).
func (s *Server) object() (o object, until time.Time) {
	now, until := s.look()
	o = object{
		Status:    okStatus,
		IsLeader:  now.leads(),
		Leader:    now.leader(s.options.Identity),
		Node:      s.options.Identity,
		Timestamp: stamp(time.Now()),
		Reason:    now.Reason,
	}
	if o.Leader != "" && !now.Since.IsZero() {
		o.Since = stamp(now.Since)
	}
	if o.Reason == "" && !now.Holding && !now.Readable {
		o.Reason = now.Problem
	}
	switch {
	case now.leads():
		o.FencingToken = now.Token
		// Rounded down: less is never a wrong claim.
		o.LeaseExpiresInSeconds = now.ExpiresIn.Truncate(time.Millisecond).Seconds()
	case now.expired():
		o.Status = expiredStatus
	}
	return o, until
}

func (o object) encode() []byte {
	body, err := json.Marshal(o)
	if err != nil { // strings, a number and a boolean alone
		panic(err)
	}
	return body
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

const (
	plain      = "text/plain; charset=utf-8"
	exposition = "text/plain; version=0.0.4; charset=utf-8"
)

// send writes an answer at once: by the given time, if any, or not at all. The time
// is looked at before the write, which hands it to the kernel: where the process is
// stopped in between, or the way is long, a claim arrives after its lease has ended.
// Its lease_expires_in_seconds counts from its making, so that a reader who counts
// from when it asked is on the safe side. A reader that has gone away is no error.
func send(w http.ResponseWriter, until time.Time, code int, kind string, body []byte) {
	// The server has no write timeout of its own, which would also count how
	// long a probe takes, so each answer sets one. A writer without deadlines
	// (there is none in this program) has none.
	_ = http.NewResponseController(w).SetWriteDeadline(writeDeadline(until))
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// writeDeadline is when an answer must be written that may be handed out until
// then; zero: for ever.
func writeDeadline(until time.Time) time.Time {
	deadline := time.Now().Add(writeTimeout)
	if !until.IsZero() && until.Before(deadline) {
		return until
	}
	return deadline
}

func line(text string) []byte { return []byte(oneLine(text) + "\n") }

// oneLine makes text that comes from outside (a lock's record, an error) fit
// for one line of an answer or of a terminal.
func oneLine(text string) string {
	printable := func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}
	return strings.Join(strings.Fields(strings.Map(printable, text)), " ")
}
