package kube

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace_AnswersAChangeAtOnceAndAFightEverMoreSlowly(t *testing.T) {
	t.Parallel()
	var p pace
	now := time.Now()
	var before time.Duration
	warnings := 0
	for i := range 20 {
		pause, fought := p.next(now)
		switch {
		case i == 0 && pause != 0:
			t.Errorf("the first repair waits %v", pause)
		case i > 0 && (pause <= 0 || pause < before || pause > repairLimit):
			t.Errorf("repair %d waits %v after %v", i, pause, before)
		}
		if fought {
			warnings++
		}
		before = pause
		now = now.Add(pause + time.Millisecond)
	}
	if warnings != 1 || before != repairLimit {
		t.Errorf("%d warnings, last pause %v", warnings, before)
	}
	if pause, _ := p.next(now.Add(repairQuiet + repairLimit)); pause != 0 {
		t.Errorf("after a quiet time a repair waits %v", pause)
	}
}

func TestBackoff_DoublesToALimitAndHonoursTheServer(t *testing.T) {
	t.Parallel()
	var b backoff
	if first, second := b.next(nil), b.next(nil); first != 200*time.Millisecond || second != 400*time.Millisecond {
		t.Errorf("pauses %v, %v", first, second)
	}
	for range 10 {
		b.next(nil)
	}
	if pause := b.next(nil); pause != 10*time.Second {
		t.Errorf("pause %v", pause)
	}
	if pause := b.next(&throttledError{answerError: &answerError{code: 429}, after: time.Minute}); pause != time.Minute {
		t.Errorf("pause %v where the server asked for a minute", pause)
	}
	if pause := b.next(&answerError{code: 403}); pause != refusedPause {
		t.Errorf("pause %v after a refusal", pause)
	}
}

func TestHurry_GivesUpWithTheLastErrorAfterPausesThatDouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, tries, busy := time.Now(), 0, errors.New("changed meanwhile")
		var pauses []time.Duration
		last := start
		err := hurry(t.Context(), func() (bool, error) {
			tries++
			pauses = append(pauses, time.Since(last))
			last = time.Now()
			return true, busy
		})
		if !errors.Is(err, busy) || tries != hurriedTries || time.Since(start) > 300*time.Millisecond {
			t.Errorf("%v after %d tries and %v", err, tries, time.Since(start))
		}
		for i := 2; i < len(pauses); i++ {
			if pauses[i] != 2*pauses[i-1] {
				t.Errorf("the pauses are %v", pauses)
			}
		}
	})
}

func TestHurry_EndsWithTheFirstTryThatNeedsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []error{nil, errors.New("refused")} {
			tries := 0
			err := hurry(t.Context(), func() (bool, error) {
				tries++
				return tries < 3, want
			})
			if tries != 3 || !errors.Is(err, want) {
				t.Errorf("%v after %d tries, want %v after 3", err, tries, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := hurry(ctx, func() (bool, error) { return true, errors.New("busy") }); !errors.Is(err, context.Canceled) {
			t.Errorf("given up, it says %v", err)
		}
	})
}
