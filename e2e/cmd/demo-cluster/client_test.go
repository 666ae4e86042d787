package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// reading lets a client read for so long, and returns what it has met with.
func reading(t *testing.T, d time.Duration, ask asker) seen {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := startClient(ctx, ask, 200*time.Millisecond, "key", "value")
	time.Sleep(d)
	cancel()
	<-c.stopped
	return c.report()
}

func TestClient_MeasuresHowLongNobodyAnswers(t *testing.T) {
	t.Parallel()
	for name, dead := range map[string]func(context.Context) error{
		"because nobody takes the connection": func(context.Context) error { return errors.New("refused") },
		"because nothing comes":               func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := reading(t, 30*time.Second, func(ctx context.Context, _ ...string) ([]string, error) {
					if at := time.Since(began); at > 5*time.Second && at < 20*time.Second {
						return nil, dead(ctx)
					}
					return []string{"value"}, nil
				})
				if s.gap < 15*time.Second || s.gap > 15*time.Second+250*time.Millisecond {
					t.Errorf("the gap is %s, want 15 s", s.gap)
				}
				if s.wrong != "" || time.Since(s.last) > pace {
					t.Errorf("wrong %q, the last answer %s ago", s.wrong, time.Since(s.last))
				}
			})
		})
	}
}

func TestClient_ForgetsGapsBeforeAMeasure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		c := startClient(ctx, func(context.Context, ...string) ([]string, error) {
			if time.Since(began) < 5*time.Second {
				return nil, errors.New("refused")
			}
			return []string{"value"}, nil
		}, 200*time.Millisecond, "key", "value")
		time.Sleep(6 * time.Second)
		before := c.report().gap
		c.measure()
		time.Sleep(time.Second)
		cancel()
		<-c.stopped
		if after := c.report().gap; before < 5*time.Second || after > 2*pace {
			t.Errorf("the gap is %s, then %s", before, after)
		}
	})
}

func TestClient_NotesAnAnswerThatIsNotWhatTheKeyHolds(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string][]string{"another value": {"other"}, "no value": {""}, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first := true
				s := reading(t, time.Second, func(context.Context, ...string) ([]string, error) {
					if first {
						first = false
						return answer, nil
					}
					return []string{"value"}, nil
				})
				if s.wrong == "" || s.answers < 2 {
					t.Errorf("noted %q among %d answers", s.wrong, s.answers)
				}
			})
		})
	}
}

func TestClient_AsksForItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := reading(t, time.Second, func(_ context.Context, command ...string) ([]string, error) {
			if len(command) != 2 || command[0] != "GET" || command[1] != "key" {
				return command, nil
			}
			return []string{"value"}, nil
		})
		if s.wrong != "" || s.answers == 0 {
			t.Errorf("asked %s, %d answers", s.wrong, s.answers)
		}
	})
}
