package status

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// keepAlive is the longest time between two signs of life on a stream of
	// events. Proxies close what is silent for a minute, as a rule.
	keepAlive = 15 * time.Second
	// renewed is more than two readings of one expiry differ by.
	renewed = 10 * time.Millisecond
)

// broadcast wakes all who wait. The zero value is ready.
type broadcast struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait returns what the next send closes.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// answerEvents streams server-sent events, each with the object of `/`: one at
// once, one for each change of who leads, and, while this process does, one for
// each renewal, so that a reader always has a fresh lease_expires_in_seconds. A
// term that is over is told without delay, also if nobody calls Changed: the
// last claim runs out here. An event that claims to lead and cannot be handed to
// the kernel in time ends the stream.
//
// There are only so many streams: each change wakes all of them.
func (s *Server) answerEvents(w http.ResponseWriter, r *http.Request) {
	if !s.crowd.join() {
		w.Header().Set("Retry-After", "5")
		send(w, time.Time{}, http.StatusServiceUnavailable, plain, line(fmt.Sprintf("all %d streams of events are taken; ask GET / from time to time instead", cap(s.crowd.streams))))
		return
	}
	defer s.crowd.leave()
	stream := http.NewResponseController(w)
	// The server's limit for reading a request would end this one.
	_ = stream.SetReadDeadline(time.Time{})
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		return
	}
	var (
		told  object
		until time.Time // until when what was told claims to lead
		sent  time.Time
	)
	for {
		changed := s.changes.wait() // before the look: no change is missed
		now, claimed := s.object()
		text, deadline := "", time.Time{}
		switch {
		case sent.IsZero():
			text = "retry: 1000\n"
			fallthrough
		case now.IsLeader != told.IsLeader, now.Leader != told.Leader, claimed.Sub(until) > renewed:
			text += "data: " + string(now.encode()) + "\n\n"
			told, until, deadline = now, claimed, claimed
		case time.Since(sent) >= keepAlive:
			text = ":\n\n"
		}
		if text != "" {
			_ = stream.SetWriteDeadline(writeDeadline(deadline))
			if _, err := w.Write([]byte(text)); err != nil || stream.Flush() != nil {
				return
			}
			sent = time.Now()
		}
		wake := sent.Add(keepAlive)
		if told.IsLeader && until.Before(wake) {
			wake = until
		}
		if !await(r.Context(), changed, max(time.Until(wake), time.Millisecond)) {
			return
		}
	}
}

// await waits for a change, or for that long. It is false when ctx has ended.
func await(ctx context.Context, changed <-chan struct{}, long time.Duration) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer.C:
	}
	return true
}
