// Package clock is the kernel's clocks for internal/elector, with timers that
// wait on a descriptor (timerfd_create(2)) instead of on Go's own timers, which
// stand still while the machine is suspended.
//
// Guaranteed: a timer wakes its owner when its clock has reached the instant it
// was set for, a suspend included where the clock counts it. It never stays
// silent: where the kernel has no descriptor left, the clock is looked at
// every few milliseconds instead.
//
// Not guaranteed: how late a wake-up is (a throttled process is late, see
// elector.KillMargin); and that a reading means anything outside this process.
// Both clocks may have another offset in another time namespace
// (time_namespaces(7)) and begin anew with each boot, so a reading must not be
// stored, sent, or compared with a reading of the other clock. Differences are
// what may be told to others: namespaces shift these clocks, all run at one rate.
//
// internal/app chooses: Boottime for the holder, Monotonic for the candidate,
// Steps for what the wall clock is good for.
package clock

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// Clock is a clock of the kernel. Only the constants of this package are meant
// to be used; the zero value would be the wall clock.
type Clock int32

const (
	// Boottime goes on while the machine is suspended.
	Boottime Clock = unix.CLOCK_BOOTTIME
	// Monotonic stands still while the machine is suspended.
	Monotonic Clock = unix.CLOCK_MONOTONIC
)

var _ elector.Clock = Boottime

// Now is the time since the clock's origin, for use in this process alone. Any
// goroutine may call it.
func (c Clock) Now() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(int32(c), &now); err != nil {
		// Both clocks are older than any kernel that Go runs on, and nothing
		// here can keep a deadline without one.
		panic("clock_gettime: " + err.Error())
	}
	return time.Duration(now.Nano())
}

// NewTimer returns a timer that is not armed. It takes a descriptor and a
// goroutine until Stop. Any goroutine may call it.
func (c Clock) NewTimer() elector.Timer {
	file, err := newTimerfd(int32(c))
	if err != nil {
		file = nil
	}
	return startTimer(c, file)
}
