package gate

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// host is the line to what can stop and wake the machine (command machine of e2e). The
// tests that need it are not parallel: they set everybody's clock, and stop everybody.
var host = flag.String("machine", "", "clock and power of the machine are the tests': run those that set the one and suspend with the other, which ask for help at this `device`")

// needMachine skips the test where the machine has others on it.
func needMachine(t *testing.T) {
	t.Helper()
	if *host == "" {
		t.Skipf("%s needs a machine of its own: run make clocks", t.Name())
	}
}

// machineLease is the lease of the gates here: they share an emulated processor with an
// API server, where there is no KVM. They renew it as seldom as gates do by default.
const machineLease = 15 * time.Second

// machineStage is a stage whose gates keep such leases.
func machineStage(t *testing.T) *stage.Stage {
	t.Helper()
	s := newStage(t)
	s.Env["LEASE_DURATION"], s.Env["RENEW_DEADLINE"], s.Env["RETRY_PERIOD"] = machineLease.String(), "10", "2"
	return s
}

// leaderAndCandidate starts two gates, of which the first leads. Whether the other is
// next in line is not waited for: a claim that meets a renewal is refused, and on an
// emulated processor each takes so long that they can meet for a minute.
func leaderAndCandidate(s *stage.Stage) (leader, candidate *stage.Container) {
	leader = s.Start(stage.Pod{Name: "a"})
	s.AwaitLeader(leader)
	return leader, startCandidate(s)
}

func startCandidate(s *stage.Stage) *stage.Container {
	candidate := s.Start(stage.Pod{Name: "b"})
	s.AwaitLine(candidate, `msg="standing by"`)
	return candidate
}

// clocks are readings of the three clocks at one time, more or less.
type clocks struct{ boottime, monotonic, wall time.Duration }

func readClocks(t *testing.T) clocks {
	t.Helper()
	return clocks{boottime(t), reading(t, unix.CLOCK_MONOTONIC), reading(t, unix.CLOCK_REALTIME)}
}

// since is how far each has gone on.
func (c clocks) since(before clocks) clocks {
	return clocks{c.boottime - before.boottime, c.monotonic - before.monotonic, c.wall - before.wall}
}

func (c clocks) String() string {
	return fmt.Sprintf("CLOCK_BOOTTIME %.3fs, CLOCK_MONOTONIC %.3fs, wall clock %.3fs", c.boottime.Seconds(), c.monotonic.Seconds(), c.wall.Seconds())
}

func reading(t *testing.T, clock int32) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// wallClock returns what sets the wall clock, to a time by which it is ahead of what it
// shows now. When the test ends it is right again: what it shows is told from another
// clock, which nobody can set.
func wallClock(t *testing.T) (set func(ahead time.Duration)) {
	t.Helper()
	offset := reading(t, unix.CLOCK_REALTIME) - boottime(t)
	set = func(ahead time.Duration) {
		t.Helper()
		now := unix.NsecToTimespec(int64(boottime(t) + offset + ahead))
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(0) })
	return set
}

// ask asks the host for something. Where it answers, that begins with the word.
func ask(t *testing.T, request, word string) (answer string) {
	t.Helper()
	line, err := os.OpenFile(*host, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = line.Close() }()
	if _, err := fmt.Fprintln(line, request); err != nil {
		t.Fatal(err)
	}
	for answers := bufio.NewScanner(line); word != "" && answers.Scan(); {
		if strings.HasPrefix(answers.Text(), word) {
			return answers.Text()
		}
	}
	return ""
}

// suspend suspends the machine to memory, to be woken after the time. It returns the
// instant of the thaw, as soon as this process can tell.
func suspend(t *testing.T, length time.Duration) (thawed time.Duration) {
	t.Helper()
	ask(t, "wake "+length.String(), "")
	before := readClocks(t)
	if err := os.WriteFile("/sys/power/state", []byte("mem"), 0); err != nil {
		t.Fatalf("suspend the machine: %v", err)
	}
	now := readClocks(t)
	ask(t, "awake", "")
	slept := now.since(before)
	t.Logf("suspended for %v: %v", length, slept)
	if slept.boottime-slept.monotonic < length/2 {
		t.Fatal("the machine was not suspended, so this test tests nothing")
	}
	return now.boottime
}
