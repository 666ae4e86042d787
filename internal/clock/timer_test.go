package clock

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// withoutDescriptors is what the test binary is called with to be a process
// that has no descriptor left.
const withoutDescriptors = "timer-without-descriptors"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == withoutDescriptors {
		if err := wakeWithoutDescriptors(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// timers are the ways a timer can wait; each keeps the same promises.
var timers = []struct {
	name  string
	clock Clock
	start func(Clock) *timer
}{
	{"boottime", Boottime, descriptor},
	{"monotonic", Monotonic, descriptor},
	{"boottime without a descriptor", Boottime, looking},
	{"monotonic without a descriptor", Monotonic, looking},
}

func descriptor(c Clock) *timer { return c.NewTimer().(*timer) }
func looking(c Clock) *timer    { return startTimer(c, nil) }

func TestTimer_WakesAtOrAfterTheInstant(t *testing.T) {
	for _, row := range timers {
		t.Run(row.name, func(t *testing.T) {
			timer := row.start(row.clock)
			defer timer.Stop()
			for range 5 {
				at := row.clock.Now() + 2*time.Millisecond
				timer.Reset(at)
				<-timer.C()
				if now := row.clock.Now(); now < at {
					t.Fatalf("woken at %v, before %v", now, at)
				}
			}
		})
	}
}

func TestTimer_WakesAtOnceForInstantsThatHavePassed(t *testing.T) {
	for _, row := range timers {
		t.Run(row.name, func(t *testing.T) {
			timer := row.start(row.clock)
			defer timer.Stop()
			for _, at := range []time.Duration{row.clock.Now() - 1, 1, 0, -1, math.MinInt64} {
				timer.Reset(at)
				<-timer.C() // the test would hang here
			}
		})
	}
}

func TestTimer_FollowsTheLastReset(t *testing.T) {
	for _, row := range timers {
		t.Run(row.name, func(t *testing.T) {
			timer := row.start(row.clock)
			defer timer.Stop()

			timer.Reset(never)
			timer.Reset(row.clock.Now())
			<-timer.C()

			timer.Reset(row.clock.Now() + time.Millisecond)
			at := row.clock.Now() + 30*time.Millisecond
			timer.Reset(at)
			for row.clock.Now() < at {
				<-timer.C() // a stale wake-up is allowed, the last one is owed
			}
		})
	}
}

func TestTimer_IsSilentUntilItIsSet(t *testing.T) {
	for _, row := range timers {
		t.Run(row.name, func(t *testing.T) {
			silent, other := row.start(row.clock), row.start(row.clock)
			defer silent.Stop()
			defer other.Stop()
			other.Reset(row.clock.Now() + 2*lookEvery)
			select {
			case <-silent.C():
				t.Fatal("woken by a timer that was never set")
			case <-other.C():
			}
		})
	}
}

func TestTimer_KeepsAWakeUpForAnOwnerWhoListensLate(t *testing.T) {
	for _, row := range timers {
		t.Run(row.name, func(t *testing.T) {
			timer, later := row.start(row.clock), row.start(row.clock)
			defer timer.Stop()
			defer later.Stop()
			now := row.clock.Now()
			timer.Reset(now)
			later.Reset(now + 2*lookEvery)
			<-later.C()
			<-timer.C()
		})
	}
}

func TestTimer_StopFreesDescriptorAndGoroutine(t *testing.T) {
	for _, row := range timers {
		t.Run(row.name, func(t *testing.T) {
			descriptors, goroutines := timerfds(t), runtime.NumGoroutine()
			for i := range 20 {
				timer := row.start(row.clock)
				switch i % 3 {
				case 0: // waiting
					timer.Reset(never)
				case 1: // delivered, and not received
					timer.Reset(0)
				}
				timer.Stop()
			}
			if now := timerfds(t); now != descriptors {
				t.Errorf("%d timer descriptors open, %d before", now, descriptors)
			}
			for runtime.NumGoroutine() > goroutines {
				runtime.Gosched() // the test would hang here
			}
		})
	}
}

func TestTimer_WakesInAProcessWithoutDescriptorsLeft(t *testing.T) {
	out, err := exec.Command(os.Args[0], withoutDescriptors).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func wakeWithoutDescriptors() error {
	// The runtime makes its poller when it first waits for a timer, and ends
	// the process where it cannot.
	<-time.After(time.Millisecond)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{}); err != nil {
		return err
	}
	timer := descriptor(Boottime)
	defer timer.Stop()
	if timer.file != nil {
		return fmt.Errorf("the process still had a descriptor to give")
	}
	at := Boottime.Now() + time.Millisecond
	timer.Reset(at)
	<-timer.C()
	if now := Boottime.Now(); now < at {
		return fmt.Errorf("woken at %v, before %v", now, at)
	}
	return nil
}

func TestClock_NeverGoesBack(t *testing.T) {
	for _, clock := range []Clock{Boottime, Monotonic} {
		last := clock.Now()
		for range 1000 {
			now := clock.Now()
			if now < last {
				t.Fatalf("clock %d went from %v to %v", clock, last, now)
			}
			last = now
		}
	}
}

// Suspend is what makes the two clocks differ, so the one that counts it is
// never behind the other.
func TestClock_BoottimeIsNotBehindMonotonic(t *testing.T) {
	monotonic := Monotonic.Now()
	if boottime := Boottime.Now(); boottime < monotonic {
		t.Errorf("boottime %v is behind monotonic %v", boottime, monotonic)
	}
}

// timerfds counts the timer descriptors of this process.
func timerfds(t *testing.T) int {
	t.Helper()
	return len(timerfdInfos(t))
}

// timerfdInfos returns what the kernel says of each timer descriptor of this
// process (proc_pid_fdinfo(5)).
func timerfdInfos(t *testing.T) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	var infos []string
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != "anon_inode:[timerfd]" {
			continue
		}
		info, err := os.ReadFile(strings.Replace(link, "/fd/", "/fdinfo/", 1))
		if errors.Is(err, os.ErrNotExist) { // closed meanwhile
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, string(info))
	}
	return infos
}
