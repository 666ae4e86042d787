package kube

import (
	"testing"
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
