//go:build linux

package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
	"github.com/k8s-await-election/k8s-await-election/internal/guard"
)

// The tests start this test binary again as a gate that plays one scenario, as
// PID 1 of a namespace of its own or as a subreaper: a Supervisor reaps every
// child of its process, so it and os/exec cannot share one. The scenario's
// answer is its exit status, and its error on stderr.

// A scenario runs in the process of its own.
type scenario func(args []string) error

var scenarios = map[string]scenario{
	"exec": func(args []string) error { return command.Exec(args, os.Environ()) },
}

// The descriptors of a process that plays a scenario.
const (
	lifeline = 3 // closed when the test ends
	hearing  = 4 // read end of the pipe …
	remains  = 8 // … whose write end every descendant inherits
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "scenario" {
		os.Exit(perform(os.Args[2:]))
	}
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) { // under nohup(1): the tests' processes are to begin as others do
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	os.Exit(m.Run())
}

// perform plays a scenario: [mount] [drop-kill] NAME ARG…
func perform(args []string) int {
	if args[0] == "mount" { // in a mount namespace of our own
		args = args[1:]
		err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		if err == nil && os.Getpid() == 1 {
			err = syscall.Mount("proc", "/proc", "proc", 0, "")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "mount /proc:", err)
			return 1
		}
	}
	if args[0] == "drop-kill" {
		err := dropKill(args[1:])
		fmt.Fprintln(os.Stderr, "drop CAP_KILL:", err)
		return 1
	}
	play, known := scenarios[args[0]]
	if !known {
		fmt.Fprintln(os.Stderr, "no scenario", args[0])
		return 1
	}
	if err := play(args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// mode is the place of a gate among the processes.
type mode string

const (
	asInit      mode = "pid 1"
	asSubreaper mode = "subreaper"
	// asMounter is a subreaper that may change its mounts.
	asMounter mode = "subreaper in a mount namespace"
)

// inBothModes runs a test for a gate that is PID 1 and for one that is not.
func inBothModes(t *testing.T, test func(t *testing.T, m mode)) {
	for _, m := range []mode{asInit, asSubreaper} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}

// gate is a process that plays a scenario.
type gate struct {
	*exec.Cmd
	out  io.Reader // its stdout
	errs *transcript
}

// transcript is what a process has said; it may be read while it speaks.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// needsRoot skips a test that changes uids.
func needsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it changes its uid and capabilities")
	}
}

// begin starts a scenario.
func begin(t *testing.T, m mode, words ...string) *gate {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of a test that has failed
	t.Cleanup(cancel)
	args := []string{"scenario"}
	attr := &syscall.SysProcAttr{}
	if m != asSubreaper {
		args = append(args, "mount")
		attr.Cloneflags = syscall.CLONE_NEWNS
		if m == asInit {
			attr.Cloneflags |= syscall.CLONE_NEWPID
		}
		if os.Geteuid() != 0 {
			attr.Cloneflags |= syscall.CLONE_NEWUSER
			attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
	}
	g := &gate{Cmd: exec.CommandContext(ctx, self, append(args, words...)...), errs: new(transcript)}
	g.Env = environment()
	g.Stderr = g.errs
	g.SysProcAttr = attr
	g.WaitDelay = 10 * time.Second
	g.Cancel = func() error { return g.Process.Signal(syscall.SIGABRT) } // for the goroutines' stacks
	life, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hear, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	g.ExtraFiles = []*os.File{life, hear, nil, nil, nil, say} // from 3 on
	if g.out, err = g.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	err = g.Start()
	_ = errors.Join(life.Close(), hear.Close(), say.Close())
	t.Cleanup(func() { _ = hold.Close() })
	if m != asSubreaper && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)) {
		t.Skipf("needs namespaces of its own, which is not permitted here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// environment is that of a gate.
func environment() []string {
	return append(os.Environ(),
		"GORACE=atexit_sleep_ms=0",                          // else every exit takes a second under -race
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", // without what a developer has put before it
	)
}

// end waits until the gate has ended and demands a status.
func (g *gate) end(t *testing.T, status int) {
	t.Helper()
	_, _ = io.Copy(io.Discard, g.out)
	err := g.Wait()
	if g.ProcessState == nil || g.ProcessState.ExitCode() != status {
		t.Fatalf("gate ended with %v, want status %d; it said:\n%s", err, status, g.errs)
	}
}

// succeeds plays a scenario to its good end.
func succeeds(t *testing.T, m mode, words ...string) {
	t.Helper()
	begin(t, m, words...).end(t, 0)
}

// What follows runs inside of scenarios.

// newGate is a supervisor in a process that dies with its test, and the read end
// of the pipe whose write end its descendants inherit as descriptor 8.
func newGate() (*Supervisor, *pipe, error) {
	syscall.CloseOnExec(lifeline)
	go func() {
		_, _ = syscall.Read(lifeline, make([]byte, 1))
		os.Exit(3)
	}()
	// Signals that end a process shall not leave core files about.
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return nil, nil, err
	}
	syscall.CloseOnExec(hearing)
	if err := syscall.SetNonblock(hearing, true); err != nil {
		return nil, nil, err
	}
	s, err := New(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	return s, new(pipe), err
}

// pipe tells what descendants say, and whether any lives.
type pipe struct {
	said   []byte
	closed bool // our own write end
	eof    bool
}

func (p *pipe) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := syscall.Read(hearing, buffer)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case n == 0:
			p.eof = true
			return
		default:
			p.said = append(p.said, buffer[:n]...)
		}
	}
}

// hear waits until descendants have said a word n times.
func (p *pipe) hear(word string, n int) error {
	return await(fmt.Sprintf("%d times %q", n, word), func() bool {
		p.read()
		return bytes.Count(p.said, []byte(word)) >= n
	})
}

// held reports whether a process but ourselves has the write end open.
func (p *pipe) held() bool {
	if !p.closed {
		p.closed = true
		_ = syscall.Close(remains)
	}
	p.read()
	return !p.eof
}

// await waits until a condition holds.
func await(what string, condition func() bool) error {
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain for %s", what)
		}
	}
	return nil
}

// ignored are the signals that a process ignores (/proc/PID/status), as a mask,
// less those that it has inherited from who called the tests: GNU make ignores
// the C library's own (32 to 34).
func ignored(mask uint64) uint64 { return mask &^ (7 << 31) }

// ignores reports whether this process ignores a signal.
func ignores(sig syscall.Signal) bool {
	mask, err := strconv.ParseUint(tree.Status(os.Getpid(), "SigIgn"), 16, 64)
	return err == nil && mask>>(sig-1)&1 == 1
}

// park stays until the process is killed.
func park() error {
	for {
		_ = syscall.Pause()
	}
}

// sh is a shell's command line.
func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// me is the command line of another scenario.
func me(words ...string) []string {
	return append([]string{"/proc/self/exe", "scenario"}, words...)
}

// start starts a command. It returns once the command has taken the place of
// this program.
func start(s *Supervisor, argv []string) (*Process, error) {
	p, err := guarded(s, argv).Start(nil, nil)
	if err != nil {
		return nil, err
	}
	before := append([]byte(command.Name), 0)
	return p, await("the command in its place", func() bool {
		words, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/cmdline")
		return err != nil || !bytes.HasPrefix(words, before)
	})
}

// guarded is a command whose guard has nothing to do.
func guarded(s *Supervisor, argv []string) *Command {
	held, err := guard.New()
	if err != nil {
		panic(err)
	}
	held.Hold(never)
	return s.Command(argv, held, func(err error) { panic(err) })
}

// gone demands that no descendant is left: none holds the pipe, none is a
// zombie, and as PID 1 we are alone.
func gone(p *pipe) error {
	if pids := childrenOf(os.Getpid()); len(pids) > 0 {
		return fmt.Errorf("children are left, dead or alive: %v", pids)
	}
	if pids := allPIDs(); os.Getpid() == 1 && len(pids) != 1 {
		return fmt.Errorf("PID 1 is not alone: %v", pids)
	}
	// Not at once: the tests run side by side, and what another one of them has
	// just forked has a copy of the pipe until its exec.
	return await("the end of all that hold the pipe", func() bool { return !p.held() })
}

func allPIDs() []int {
	files, _ := os.ReadDir("/proc")
	var pids []int
	for _, f := range files {
		if pid, err := strconv.Atoi(f.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// childrenOf lists all children of a process, dead ones too.
func childrenOf(parent int) []int {
	return slices.DeleteFunc(allPIDs(), func(pid int) bool {
		return tree.Status(pid, "PPid") != strconv.Itoa(parent)
	})
}

// commandsOf lists all children of a process but its guard.
func commandsOf(parent int) []int {
	return slices.DeleteFunc(childrenOf(parent), func(pid int) bool {
		words, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		return err == nil && bytes.HasPrefix(words, append([]byte(guard.Name), 0))
	})
}

func stateOf(pid int) string {
	state, _, _ := strings.Cut(tree.Status(pid, "State"), " ")
	return state
}

// want demands a status of an ended command.
func want(p *Process, status int) error {
	<-p.Exited()
	if p.Status() != status {
		return fmt.Errorf("status %d, want %d", p.Status(), status)
	}
	return nil
}

// ended is a context that has ended: what gets it may try once.
func ended() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errDeadline)
	return ctx
}

var errDeadline = errors.New("the deadline of the test")
