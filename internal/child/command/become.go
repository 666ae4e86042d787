//go:build linux

package command

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Name is what a process of this program is called (argv[0]) that is to become a
// command: package self then calls Become.
const Name = "k8s-await-election: start"

// statusLate is the exit status of a process that was to become a command and may
// not any more: that of a lost lease (EX_TEMPFAIL of sysexits.h).
const statusLate = 75

// Becoming is the argument vector with which this program, called anew, does
// nothing but Exec argv in its own environment. Where that fails it says why on
// stderr and ends with ExitStatus.
//
// It inherits the descriptor `place`, and waits until it can read a byte from it;
// at its end in place of that, it ends. The descriptor is open until it has become
// the command, or has ended. A negative one is none.
//
// It does so only before the instant `before` of CLOCK_BOOTTIME: whoever forks it may
// be stopped between the look at the clock and the fork, and go on hours later.
func Becoming(place int, before time.Duration, argv []string) []string {
	return append([]string{Name, strconv.Itoa(place), strconv.FormatInt(int64(before), 10)}, argv...)
}

// Become does what the arguments after the name in Becoming say. It does not
// return.
func Become(args []string) {
	status, err := replace(args)
	fmt.Fprintf(os.Stderr, "k8s-await-election: %v\n", err)
	os.Exit(status)
}

// replace returns why this process is not the command.
func replace(args []string) (status int, err error) {
	if len(args) < 2 {
		return 1, fmt.Errorf("%q is how the program calls itself; call it by another name", Name)
	}
	place, err := strconv.Atoi(args[0])
	if err != nil {
		return 1, fmt.Errorf("read own arguments: %w", err)
	}
	before, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return 1, fmt.Errorf("read own arguments: %w", err)
	}
	if place >= 0 {
		syscall.CloseOnExec(place)
		if err := permitted(place); err != nil {
			return statusLate, fmt.Errorf("the command is not started: %w", err)
		}
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 1, fmt.Errorf("read the clock: %w", err)
	}
	if late := time.Duration(now.Nano() - before); late >= 0 {
		return statusLate, fmt.Errorf("the command is not started: the lease was lost %v ago", late)
	}
	err = Exec(args[2:], os.Environ())
	return ExitStatus(err), err
}

// permitted waits for the permission.
func permitted(place int) error {
	for {
		n, err := syscall.Read(place, make([]byte, 1))
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the permission: %w", err)
		case n == 0:
			return errors.New("the gate has taken it back, or ended")
		default:
			return nil
		}
	}
}
