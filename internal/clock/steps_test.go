package clock

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A test that sets the machine's clock would set it for everybody, so what is
// tested is the two halves: the kernel is asked for the right thing, and what
// it answers is passed on.

func TestSteps_AsksTheKernelForChangesOfTheWallClock(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, err := Steps(ctx); err != nil {
		t.Fatal(err)
	}
	infos := timerfdInfos(t)
	if len(infos) != 1 {
		t.Fatalf("%d timer descriptors, not 1: %q", len(infos), infos)
	}
	// 03 is TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET; armed means that some
	// seconds are left.
	want := regexp.MustCompile(`(?s)clockid: 0\n.*settime flags: 03\n.*it_value: \([1-9]`)
	if !want.MatchString(infos[0]) {
		t.Errorf("the descriptor is not armed for changes of the wall clock:\n%s", infos[0])
	}
}

func TestSteps_EndsWithItsContext(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	steps, err := Steps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for timerfds(t) > 0 || runtime.NumGoroutine() > goroutines {
		runtime.Gosched() // the test would hang here
	}
	select {
	case _, open := <-steps:
		t.Errorf("delivered after the end, open %t", open)
	default:
	}
}

func TestFollow_DeliversEachChangeAndCoalescesUnreadOnes(t *testing.T) {
	steps := make(chan struct{}, 1)
	kernel := make(answers)
	done := make(chan struct{})
	go func() {
		defer close(done)
		follow(kernel, steps)
	}()
	cancelled := &os.PathError{Op: "read", Path: "timerfd", Err: unix.ECANCELED}

	kernel <- cancelled
	<-steps
	kernel <- cancelled
	kernel <- cancelled
	kernel <- cancelled
	kernel <- os.ErrClosed
	<-done
	if len(steps) != 1 {
		t.Errorf("%d deliveries waiting, not 1", len(steps))
	}
}

// answers is a timer descriptor whose reads end as they are told to.
type answers chan error

func (a answers) Read([]byte) (int, error) { return 0, <-a }
