package clock

import (
	"errors"
	"math"
	"os"
	"sync/atomic"
	"time"
)

const (
	// never is an instant that no clock reaches.
	never = math.MaxInt64
	// lookEvery is how often a timer without a descriptor reads the clock. It
	// is small beside elector.KillMargin, which is at least half a second.
	lookEvery = 20 * time.Millisecond
)

// timer implements elector.Timer. One goroutine waits for the descriptor.
//
// The channel is buffered, with one place. The waiting goroutine then never
// blocks on an owner who does not listen, so Stop has nobody to free; and
// nothing is lost by dropping what finds the place taken: who receives the
// wake-up that lies there reads the clock after that, and sees every instant
// that has passed by then.
type timer struct {
	clock Clock
	file  *os.File // nil: look at the clock instead
	// at is the instant last set; never, when none is or it was delivered.
	// Needed only without a descriptor.
	at      atomic.Int64
	c       chan struct{}
	stopped chan struct{}
}

func startTimer(clock Clock, file *os.File) *timer {
	t := &timer{clock: clock, file: file, c: make(chan struct{}, 1), stopped: make(chan struct{})}
	t.at.Store(never)
	go t.run()
	return t
}

func (t *timer) C() <-chan struct{} { return t.c }

func (t *timer) Reset(at time.Duration) {
	t.at.Store(int64(at))
	if t.file == nil {
		return
	}
	if err := arm(t.file, 0, at); err != nil {
		// Not to be had from a valid descriptor and value. A deadline that is
		// silently not kept is the one thing a timer must not do.
		panic("arm timer: " + err.Error())
	}
}

func (t *timer) Stop() {
	close(t.stopped)
	if t.file != nil {
		_ = t.file.Close() // waits for the reader to let go, then closes
	}
}

func (t *timer) run() {
	if t.file != nil {
		var expirations [8]byte
		for {
			_, err := t.file.Read(expirations[:])
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if err != nil {
				break
			}
			wake(t.c)
		}
	}
	t.look()
}

// look does without a descriptor. Go's ticker stands still in suspend, but goes
// on right after it, and what is compared is the clock.
func (t *timer) look() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-t.stopped:
			return
		case <-ticker.C:
			at := t.at.Load()
			if int64(t.clock.Now()) >= at && t.at.CompareAndSwap(at, never) {
				wake(t.c)
			}
		}
	}
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
