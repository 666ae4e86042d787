package elector

import "time"

// Clock tells elapsed time. The holder's is CLOCK_BOOTTIME, which goes on while
// the machine is suspended; the candidate's is CLOCK_MONOTONIC, which does not:
// each errs on the side of «never two».
type Clock interface {
	// Now is the time since the clock's own origin. Readings of different
	// clocks must not be compared.
	Now() time.Duration
	// NewTimer returns a timer that is not armed.
	NewTimer() Timer
}

// Timer wakes one goroutine at an instant of its Clock. It is for that
// goroutine's use alone.
type Timer interface {
	// C delivers when the instant last set has passed. A wake-up that was
	// already under way when Reset moved the instant may still arrive: whoever
	// is woken reads the clock again and decides by that.
	C() <-chan struct{}
	// Reset arms the timer for the instant `at`, in place of any earlier one;
	// an instant that has passed wakes at once.
	Reset(at time.Duration)
	// Stop frees the timer. Nothing may be called after it.
	Stop()
}
