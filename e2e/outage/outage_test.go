package outage

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// server answers at once, but for the times between down and up; then it is
// silent, and who asks gives up after a second, or refuses.
type server struct {
	began, down, up time.Duration
	origin          time.Time
	refuses         bool
}

func (s *server) ask(ctx context.Context) error {
	now := time.Since(s.origin)
	switch {
	case now >= s.began && (now < s.down || now >= s.up):
		return nil
	case s.refuses:
		return errors.New("refused")
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
		return errors.New("no answer")
	}
}

func TestClient_MeasuresTheTimeWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server server
		want   time.Duration
	}{
		"of a server that is always there":       {server{}, 20 * time.Millisecond},
		"of a server that refuses":               {server{down: 990 * time.Millisecond, up: 1490 * time.Millisecond, refuses: true}, 520 * time.Millisecond},
		"of a server that is silent":             {server{down: 990 * time.Millisecond, up: 1490 * time.Millisecond}, 520 * time.Millisecond},
		"not before the first answer":            {server{began: 3 * time.Second}, 20 * time.Millisecond},
		"not after the last answer":              {server{down: 4 * time.Second, up: time.Minute}, 20 * time.Millisecond},
		"of a server that is away for one tick":  {server{down: 990 * time.Millisecond, up: 1010 * time.Millisecond}, 40 * time.Millisecond},
		"of a server that is away between ticks": {server{down: 985 * time.Millisecond, up: 995 * time.Millisecond}, 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.server.origin = time.Now()
				client := Start(t.Context(), 20*time.Millisecond, c.server.ask)
				time.Sleep(5 * time.Second)
				if client.Answers() == 0 {
					t.Error("no answers")
				}
				got, paused := client.Stop()
				if got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
				if paused != 20*time.Millisecond {
					t.Errorf("the client has paused for %s", paused)
				}
			})
		})
	}
}
