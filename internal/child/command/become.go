//go:build linux

package command

import (
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

// statusLate is the exit status of a process that was to become a command after
// its time: that of a lost lease (EX_TEMPFAIL of sysexits.h).
const statusLate = 75

// Becoming is the argument vector with which this program, called anew, does
// nothing but Exec argv in its own environment, if that is before the instant
// `before` of CLOCK_BOOTTIME; whoever forks it may be stopped between the look at
// the clock and the fork, and go on hours later. Where it fails it says why on
// stderr and ends with ExitStatus. It inherits the descriptor `until`, which is
// open until it has become the command, or has ended; a negative one is none.
func Becoming(until int, before time.Duration, argv []string) []string {
	return append([]string{Name, strconv.Itoa(until), strconv.FormatInt(int64(before), 10)}, argv...)
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
	until, err := strconv.Atoi(args[0])
	if err != nil {
		return 1, fmt.Errorf("read own arguments: %w", err)
	}
	before, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return 1, fmt.Errorf("read own arguments: %w", err)
	}
	if until >= 0 {
		syscall.CloseOnExec(until)
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
