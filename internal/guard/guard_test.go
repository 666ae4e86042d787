//go:build linux

package guard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests start this test binary again as a gate that does nothing but hold its
// switch, with a guard and a command, as PID 1 of a namespace of its own or not. A
// pipe that all of them inherit from it is at its end when the command and all that
// it has started is dead.

// The descriptors of a gate beside the usual.
const (
	lifeline  = 3 // at its end when the test is
	remains   = 4 // the write end of the pipe that the command inherits
	rehearsal = "gate"
)

// grace is how long the gate of a test holds its switch at each time.
const grace = 200 * time.Millisecond

func TestMain(m *testing.M) {
	if os.Args[0] == Name {
		Stand(os.Args[1:]) // as package self does it
	}
	if len(os.Args) > 1 && os.Args[1] == rehearsal {
		err := playGate(os.Args[2])
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// playGate holds the switch until it is told not to: by the line "let go", or by
// being stopped.
func playGate(script string) error {
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	syscall.CloseOnExec(lifeline)
	go func() {
		_, _ = syscall.Read(lifeline, make([]byte, 1))
		os.Exit(3)
	}()
	runtime.LockOSThread()
	s, err := New()
	if err != nil {
		return err
	}
	s.Hold(boottime() + grace)
	_, err = syscall.ForkExec("/proc/self/exe", s.Argv(), &syscall.ProcAttr{
		Env: s.Environ(), Files: s.Files(), Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return err
	}
	command, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 2, 2, remains}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return err
	}
	s.Started(command)
	if err := syscall.Close(remains); err != nil {
		return err
	}
	fmt.Println("only the command has the pipe")
	orders := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		close(orders)
	}()
	for {
		select {
		case <-orders:
			select {}
		case <-time.After(grace / 20):
			s.Hold(boottime() + grace)
		}
	}
}

// gate is a gate with its guard and its command.
type gate struct {
	*exec.Cmd
	orders io.WriteCloser
	// dead is closed when the command and all that it has started is dead.
	dead chan struct{}
}

// play starts one. The command is a shell's script, which says a line to
// descriptor 3 when it is ready.
func play(t *testing.T, asInit bool, script string) *gate {
	t.Helper()
	g := &gate{Cmd: exec.Command("/proc/self/exe", rehearsal, script), dead: make(chan struct{})}
	if asInit {
		if os.Geteuid() != 0 {
			t.Skip("needs root, for a PID namespace")
		}
		g.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	}
	life, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hear, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	g.ExtraFiles = []*os.File{life, say}
	g.Stderr = os.Stderr
	if g.orders, err = g.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	said, err := g.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	_ = errors.Join(life.Close(), say.Close())
	t.Cleanup(func() {
		_ = hold.Close()
		_ = g.Process.Kill()
		_ = g.Wait()
	})
	commands := bufio.NewReader(hear)
	for _, line := range []*bufio.Reader{commands, bufio.NewReader(said)} {
		if _, err := line.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, commands)
		close(g.dead)
	}()
	return g
}

// inBothModes runs a test for a gate that is PID 1 and for one that is not.
func inBothModes(t *testing.T, test func(t *testing.T, asInit bool)) {
	for name, asInit := range map[string]bool{"pid 1": true, "not pid 1": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, asInit)
		})
	}
}

// trees are commands that start what is hard to be rid of.
var trees = map[string]string{
	"a command":                  `echo ready >&3; exec sleep 100`,
	"one that ignores TERM":      `trap '' TERM; echo ready >&3; while :; do sleep 100; done`,
	"an orphan in its session":   `setsid sh -c 'setsid sleep 100 & echo ready >&3; sleep 100' & exit 0`,
	"a stopped one":              `sleep 100 & echo ready >&3; kill -STOP $$; :`,
	"one that forks on and on":   `while :; do setsid sleep 100 & echo ready >&3; sleep 0.02; done`,
	"one that forks and ends":    `hop='[ $1 -gt 0 ] || exit; sh -c "$0" "$0" $(($1 - 1)) &'; sh -c "$hop" "$hop" 20000 & echo ready >&3; exit 0`,
	"an orphan in its own group": `sh -c 'sleep 100 & echo ready >&3' & exit 0`,
}

func TestGuard_KillsAllOnceTheSwitchIsLetGo(t *testing.T) {
	t.Parallel()
	for name, script := range trees {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBothModes(t, func(t *testing.T, asInit bool) {
				g := play(t, asInit, script)
				if err := g.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				<-g.dead // the test would hang here
			})
		})
	}
}

// The gate runs and buries nobody: it hangs.
func TestGuard_KillsAllOfAGateThatHangs(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, asInit bool) {
		g := play(t, asInit, trees["an orphan in its session"])
		if _, err := io.WriteString(g.orders, "let go\n"); err != nil {
			t.Fatal(err)
		}
		<-g.dead
	})
}

// newPost is a guard in this process, and the write end of its pipe.
func newPost(t *testing.T) (*post, int) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(unix.Close(ends[0]), unix.Close(timer)) })
	return &post{page: new(page), pipe: ends[0], timer: timer}, ends[1]
}

func TestWait_FollowsTheDeadlineWithoutASign(t *testing.T) {
	t.Parallel()
	p, end := newPost(t)
	defer func() { _ = unix.Close(end) }()
	p.page.until.Store(int64(boottime() + time.Millisecond))
	if err := p.arm(); err != nil {
		t.Fatal(err)
	}
	moved := boottime() + 50*time.Millisecond
	p.page.until.Store(int64(moved)) // what it is armed for has not changed
	if ended, err := p.wait(); ended || err != nil {
		t.Fatalf("wait: %v, %v", ended, err)
	}
	if now := boottime(); now < moved {
		t.Errorf("it takes %v for the deadline, which is %v", now, moved)
	}
}

func TestWait_TakesASwitchThatNobodyHoldsForLetGo(t *testing.T) {
	t.Parallel()
	p, end := newPost(t)
	defer func() { _ = unix.Close(end) }()
	if err := p.arm(); err != nil {
		t.Fatal(err)
	}
	if ended, err := p.wait(); ended || err != nil { // the test would hang here
		t.Errorf("wait: %v, %v", ended, err)
	}
}

func TestWait_EndsWithTheGate(t *testing.T) {
	t.Parallel()
	p, end := newPost(t)
	p.page.until.Store(math.MaxInt64)
	if err := errors.Join(p.arm(), unix.Close(end)); err != nil {
		t.Fatal(err)
	}
	if ended, err := p.wait(); !ended || err != nil {
		t.Errorf("wait: %v, %v", ended, err)
	}
}

func TestStand_RefusesWhatNoGateCallsItWith(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"1", "2"}, {"x"}} {
		if err := stand(args); err == nil {
			t.Errorf("stand(%q) stood", args)
		}
	}
	if err := stand([]string{"1000000000"}); err != nil { // a gate that has ended
		t.Error(err)
	}
}
