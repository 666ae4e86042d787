package clock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"
)

// Steps returns a channel that delivers when the wall clock was set, by
// somebody or by a resume from suspend; slewing it (adjtime(3)) is no step.
// Steps that follow each other before they are received are delivered as one.
// The channel is never closed, as that would read as steps without end; after
// ctx has ended it is silent, and its descriptor and goroutine are gone.
//
// It rests on timerfd_create(2): a timer on CLOCK_REALTIME set with
// TFD_TIMER_CANCEL_ON_SET fails a read with ECANCELED after each such change.
func Steps(ctx context.Context) (<-chan struct{}, error) {
	file, err := newTimerfd(unix.CLOCK_REALTIME)
	if err != nil {
		return nil, fmt.Errorf("watch the wall clock: %w", err)
	}
	// The instant only has to be one that is never reached.
	if err := arm(file, unix.TFD_TIMER_CANCEL_ON_SET, math.MaxInt64); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("watch the wall clock: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = file.Close() })
	steps := make(chan struct{}, 1)
	go follow(file, steps)
	return steps, nil
}

// follow passes on what the timer says, until it cannot be read any more.
func follow(timer io.Reader, steps chan<- struct{}) {
	var expirations [8]byte
	for {
		_, err := timer.Read(expirations[:])
		if err != nil && !errors.Is(err, unix.ECANCELED) {
			return
		}
		wake(steps)
	}
}
