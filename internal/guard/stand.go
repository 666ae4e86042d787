//go:build linux

package guard

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/memory/pages"
)

// Stand is all that a guard does. args are the arguments after the name in
// Switch.Argv. It does not return.
func Stand(args []string) {
	if err := stand(args); err != nil {
		fmt.Fprintf(os.Stderr, "k8s-await-election: guard: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// stand returns nil when the gate has ended.
func stand(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%q is how the program calls itself; call it by another name", Name)
	}
	gate, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("read own arguments: %w", err)
	}
	if os.Getppid() != gate {
		return nil // it has ended
	}
	closeInherited()
	p := &post{gate: gate, self: os.Getpid(), pipe: pipeFile}
	if p.page, err = share(memoryFile, unix.PROT_READ); err != nil {
		return err
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("make a timer: %w", err)
	}
	if err := p.arm(); err != nil {
		return err
	}
	pages.Shed()
	released, err := p.wait()
	if err != nil || released {
		return err
	}
	return p.fire()
}

// closeInherited closes what the gate leaves open for the command alone: its flock
// on a lock file must not live in us.
func closeInherited() {
	const first = 3
	if unix.CloseRange(first, math.MaxUint32, 0) == nil {
		return
	}
	names, err := os.ReadDir("/proc/self/fd") // Linux before 5.9
	if err != nil {
		return
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name.Name()); err == nil && fd >= first {
			_ = unix.Close(fd)
		}
	}
}

// post is a guard in its process.
type post struct {
	gate, self int
	page       *page
	pipe       int // at its end when the gate is
	timer      int
}

// arm sets the timer for the deadline as it is now.
func (p *post) arm() error {
	// Zero would disarm it.
	value := unix.ItimerSpec{Value: unix.NsecToTimespec(max(p.page.until.Load(), 1))}
	if err := unix.TimerfdSettime(p.timer, unix.TFD_TIMER_ABSTIME, &value, nil); err != nil {
		return fmt.Errorf("set the timer: %w", err)
	}
	return nil
}

// wait returns when the deadline has passed, or the gate has ended (true). The gate
// moves the deadline without a sign: once the timer has expired the deadline that
// it was set for is compared with what it has become meanwhile.
func (p *post) wait() (ended bool, err error) {
	for {
		if ended, err := p.sleep(-1); ended || err != nil {
			return ended, err
		}
		if boottime() >= time.Duration(p.page.until.Load()) {
			return false, nil
		}
		if err := p.arm(); err != nil {
			return false, err
		}
	}
}

// sleep returns when the timer has expired, after the time if that is not negative,
// and with true when the gate has ended.
func (p *post) sleep(atMost time.Duration) (ended bool, err error) {
	files := []unix.PollFd{{Fd: int32(p.pipe)}, {Fd: int32(p.timer), Events: unix.POLLIN}}
	timeout := -1
	if atMost >= 0 {
		timeout = int(atMost.Milliseconds())
		files = files[:1]
	}
	for {
		_, err := unix.Poll(files, timeout)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("sleep: %w", err)
		}
		return files[0].Revents != 0, nil
	}
}

// boottime reads the clock.
func boottime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return math.MaxInt64 // not to be had; and a guard that cannot tell the time kills
	}
	return time.Duration(now.Nano())
}
