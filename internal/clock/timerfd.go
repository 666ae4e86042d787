package clock

import (
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// newTimerfd returns a disarmed timer descriptor that the runtime's poller
// waits for, so that a reader costs a goroutine and no thread.
func newTimerfd(clock int32) (*os.File, error) {
	fd, err := unix.TimerfdCreate(int(clock), unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	// NewFile does not say when the poller refused the descriptor (epoll_ctl(2):
	// ENOMEM, ENOSPC). Reads would then return at once, with EAGAIN.
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("poll timerfd: %w", err)
	}
	return file, nil
}

// farthest is the last instant that a timer can be set for, in nanoseconds: on
// 32-bit machines a timespec has 32 bits for its seconds.
const farthest = min(math.MaxInt64, math.MaxInt*1_000_000_000)

// arm sets the descriptor to expire once, at the instant `at` of its clock.
func arm(file *os.File, flags int, at time.Duration) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	// A value of zero disarms, and a negative one is refused: both have passed,
	// as has the first nanosecond.
	value := unix.ItimerSpec{Value: unix.NsecToTimespec(min(max(int64(at), 1), farthest))}
	var refused error
	err = conn.Control(func(fd uintptr) {
		refused = unix.TimerfdSettime(int(fd), flags|unix.TFD_TIMER_ABSTIME, &value, nil)
	})
	if err != nil {
		return err
	}
	if refused != nil {
		return fmt.Errorf("timerfd_settime: %w", refused)
	}
	return nil
}
