package gate

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// event is something that happened to one pod, at an instant of the bubble.
type event struct {
	at        time.Duration
	who, what string
	// aside: it is not part of the order that most tests are about.
	aside bool
}

// story is the one ordered log of all that happens in a bubble. What a pod's
// lock is told counts from the moment at which it has effect there.
type story struct {
	start time.Time

	mu     sync.Mutex
	events []event
}

// now is the time since the bubble's start.
func (s *story) now() time.Duration { return time.Since(s.start) }

func (s *story) tell(who, format string, args ...any) { s.add(false, who, format, args...) }

func (s *story) tellAside(who, format string, args ...any) { s.add(true, who, format, args...) }

func (s *story) add(aside bool, who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{s.now(), who, fmt.Sprintf(format, args...), aside})
}

func (s *story) all() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// of is one pod's story without the asides.
func (s *story) of(who string) []string {
	var found []string
	for _, e := range s.all() {
		if e.who == who && !e.aside {
			found = append(found, e.what)
		}
	}
	return found
}

// times are the instants at which something happened to a pod.
func (s *story) times(who, what string) []time.Duration {
	var found []time.Duration
	for _, e := range s.all() {
		if e.who == who && e.what == what {
			found = append(found, e.at)
		}
	}
	return found
}

func (s *story) String() string {
	var text strings.Builder
	for _, e := range s.all() {
		if e.what != "renewed" {
			fmt.Fprintf(&text, "  %v %s %s\n", e.at, e.who, e.what)
		}
	}
	return text.String()
}

// wantStory checks all that happened to a pod, in its order.
func (w *world) wantStory(who string, want ...string) {
	w.t.Helper()
	if got := w.story.of(who); !slices.Equal(got, want) {
		w.t.Errorf("%s's story is\n  %q\nwant\n  %q\n%s", who, got, want, w.story)
	}
}

// wantOrder checks that events, each as «who what», happened once each and in
// this order, whatever happened between them.
func (w *world) wantOrder(want ...string) {
	w.t.Helper()
	var got []string
	for _, e := range w.story.all() {
		if line := e.who + " " + e.what; slices.Contains(want, line) {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("happened\n  %q\nwant\n  %q\n%s", got, want, w.story)
	}
}

// wantNever checks that something did not happen to a pod.
func (w *world) wantNever(who, what string) {
	w.t.Helper()
	if at := w.story.times(who, what); at != nil {
		w.t.Errorf("%s %s at %v\n%s", who, what, at, w.story)
	}
}

// when is the instant at which something happened first.
func (w *world) when(who, what string) time.Duration {
	w.t.Helper()
	at := w.story.times(who, what)
	if at == nil {
		w.t.Fatalf("%s: never %s\n%s", who, what, w.story)
	}
	return at[0]
}

// wantAt checks the instant at which something happened first. Nothing is
// allowed for: the bubble's time stands still while anything runs.
func (w *world) wantAt(who, what string, want time.Duration) {
	w.t.Helper()
	if at := w.when(who, what); at != want {
		w.t.Errorf("%s %s at %v, want %v\n%s", who, what, at, want, w.story)
	}
}

func (w *world) wantBefore(who, what string, limit time.Duration) {
	w.t.Helper()
	if at := w.when(who, what); at >= limit {
		w.t.Errorf("%s %s at %v, want before %v\n%s", who, what, at, limit, w.story)
	}
}

// The checks themselves must be able to fail.
func TestStory_TellsAPodsEventsInOrderWithoutAsides(t *testing.T) {
	t.Parallel()
	s := &story{start: time.Now()}
	s.tell("a", "signalled %d", 15)
	s.tellAside("a", "renewed")
	s.tell("b", "started")
	s.tell("a", "swept")
	if got, want := s.of("a"), []string{"signalled 15", "swept"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.times("a", "renewed"); len(got) != 1 {
		t.Errorf("an aside has the times %v", got)
	}
}
