//go:build linux

package child

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
)

// background is a context that lasts.
var background = context.Background()

// swept are commands that leave, or are, something hard to be rid of. Each says
// "ready" to descriptor 8 when it is in that state.
var swept = map[string]struct {
	argv   []string
	ready  int // how often it is said
	status int // of the command itself; -1: that of a kill
}{
	"a shell that forks a server and exits": {
		sh("sleep 100 & echo ready >&8; exit 7"), 1, 7},
	"a command that runs": {
		sh("echo ready >&8; exec sleep 100"), 1, -1},
	"a command that ignores TERM": {
		sh("trap '' TERM; echo ready >&8; while :; do sleep 100; done"), 1, -1},
	"orphaned grandchildren": {
		sh("for i in 1 2 3; do (sleep 100 & sh -c 'sleep 100 & echo ready >&8' &) done; exit 0"), 3, 0},
	"a double fork with setsid": {
		sh("setsid sh -c 'setsid sleep 100 & echo ready >&8; sleep 100' & exit 0"), 1, 0},
	"a deep tree, each in a session of its own": {
		sh("setsid sh -c 'setsid sh -c \"setsid sh -c \\\"echo ready >&8; sleep 100; :\\\"; :\"; :'; :"), 1, -1},
	"a stopped command": {
		sh("echo ready >&8; kill -STOP $$; sleep 100"), 1, -1},
	"a parent that does not reap": {
		me("negligent"), 1, -1},
	"a leader that has ended before its threads": {
		me("leaderless"), 1, -1},
	"a fork bomb": {
		sh("while :; do sleep 100 & echo ready >&8; done"), 20, -1},
	"a fork bomb of sessions": {
		sh("while :; do setsid sleep 100 & echo ready >&8; done"), 20, -1},
	"a process that forks and ends all the time": {
		sh(`hop='[ $1 -gt 0 ] || { echo survived >&8; exit; }; sh -c "$0" "$0" $(($1 - 1)) &'
			sh -c "$hop" "$hop" 10000 & echo ready >&8; exit 0`), 1, 0},
	"a command in the group of the gate": {
		me("joiner"), 1, -1},
	"nothing": {
		sh("echo ready >&8; exit 0"), 1, 0},
}

func init() {
	if slices.Contains(os.Args, "leaderless") {
		runtime.LockOSThread() // main runs where init does, on the leader
	}
	scenarios["sweep"] = func(args []string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		trial := swept[args[0]]
		p, err := start(s, trial.argv)
		if err != nil {
			return err
		}
		if err := pipe.hear("ready", trial.ready); err != nil {
			return err
		}
		if trial.status >= 0 {
			if err := want(p, trial.status); err != nil {
				return err
			}
		}
		switch args[0] {
		case "a stopped command":
			err = await("its stop", func() bool { return stateOf(p.PID()) == "T" })
		case "a parent that does not reap":
			err = await("its zombies", func() bool {
				children := childrenOf(p.PID())
				return len(children) == 2 && stateOf(children[0]) == "Z" && stateOf(children[1]) == "Z"
			})
		case "a leader that has ended before its threads":
			err = await("the leader's end", func() bool { return stateOf(p.PID()) == "Z" })
		}
		if err != nil {
			return err
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		if err := gone(pipe); err != nil {
			return err
		}
		if bytes.Contains(pipe.said, []byte("survived")) {
			return errors.New("it has come to its own end")
		}
		if trial.status < 0 {
			if err := want(p, 128+9); err != nil {
				return err
			}
		}
		return p.Sweep(ended()) // again, with nothing to do
	}

	scenarios["leaderless"] = func([]string) error {
		go func() {
			_, _ = syscall.Write(remains, []byte("ready"))
			_ = park()
		}()
		_, _, errno := syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0) // this thread alone
		return fmt.Errorf("a thread has survived its exit: %w", errno)
	}

	scenarios["joiner"] = func([]string) error {
		group, err := syscall.Getpgid(os.Getppid())
		if err != nil {
			return err
		}
		if group > 0 { // as PID 1 the gate may have its group from outside
			if err := syscall.Setpgid(0, group); err != nil {
				return err
			}
		}
		_, _ = syscall.Write(remains, []byte("ready"))
		for {
			_ = syscall.Pause()
		}
	}

	scenarios["groups"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		// One pair in the command's group, which has lost its leader, one in
		// another session.
		p, err := start(s, sh("sleep 100 & sleep 100 & setsid sh -c 'sleep 100 & sleep 100 &'; echo ready >&8; exit 0"))
		if err != nil {
			return err
		}
		if err := errors.Join(want(p, 0), pipe.hear("ready", 1)); err != nil {
			return err
		}
		for left := 4; left > 0; left -= 2 {
			if err := await("orphans", func() bool { return len(commandsOf(os.Getpid())) == left }); err != nil {
				return err
			}
			e, err := tree.Read(commandsOf(os.Getpid())[0])
			if err != nil {
				return err
			}
			if err := s.killChild(e); err != nil {
				return err
			}
		}
		if err := await("the death of both groups", func() bool { return len(commandsOf(os.Getpid())) == 0 }); err != nil {
			return err
		}
		if err := p.Sweep(background); err != nil { // of the guard
			return err
		}
		return gone(pipe)
	}

	scenarios["negligent"] = func([]string) error {
		for range 2 {
			if _, err := syscall.ForkExec("/bin/sh", sh("exit 0"), &syscall.ProcAttr{}); err != nil {
				return err
			}
		}
		_, _ = syscall.Write(remains, []byte("ready"))
		return park()
	}

	scenarios["adopted before"] = func([]string) error {
		// As by `server & exec gate …` in an entrypoint script.
		for _, script := range []string{"exec sleep 100", "exit 0"} {
			_, err := syscall.ForkExec("/bin/sh", sh(script), &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
			if err != nil {
				return err
			}
		}
		if err := await("a zombie", func() bool { return stateOf(childrenOf(os.Getpid())[1]) == "Z" }); err != nil {
			return err
		}
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		if err := await("its burial", func() bool { return len(childrenOf(os.Getpid())) == 1 }); err != nil {
			return err
		}
		p, err := start(s, sh("exit 0"))
		if err != nil {
			return err
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		return gone(pipe)
	}

	scenarios["orphans"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		p, err := start(s, sh("for i in 1 2 3 4 5 6 7 8; do (sleep 0 & (setsid sleep 0 &)) done; echo ready >&8; exec sleep 100"))
		if err != nil {
			return err
		}
		if err := pipe.hear("ready", 1); err != nil {
			return err
		}
		err = await("the orphans' burial", func() bool { return slices.Equal(commandsOf(os.Getpid()), []int{p.PID()}) })
		if err != nil {
			return fmt.Errorf("%w: children %v", err, commandsOf(os.Getpid()))
		}
		return p.Sweep(background)
	}

	scenarios["two sweeps"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		for range 20 {
			p, err := start(s, sh("sleep 100 & sleep 100 & wait"))
			if err != nil {
				return err
			}
			results := make(chan error)
			for range 2 {
				go func() { results <- p.Sweep(background) }()
			}
			if err := errors.Join(<-results, <-results); err != nil {
				return err
			}
		}
		return gone(pipe)
	}

	scenarios["start unswept"] = func([]string) error {
		s, _, err := newGate()
		if err != nil {
			return err
		}
		p, err := start(s, sh("exit 0"))
		if err != nil {
			return err
		}
		if err := want(p, 0); err != nil {
			return err
		}
		if _, err := start(s, sh("exit 0")); !errors.Is(err, ErrNotSwept) {
			return fmt.Errorf("second start before a sweep: %w", err)
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		p, err = start(s, sh("exit 3"))
		if err != nil {
			return err
		}
		return want(p, 3)
	}

	scenarios["changed uid"] = func(args []string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		argv := me("as nobody")
		if args[0] == "orphan" {
			argv = sh(`"$0" scenario "as nobody" & exit 0`)
			self, err := os.Executable()
			if err != nil {
				return err
			}
			argv = append(argv, self)
		}
		p, err := start(s, argv)
		if err != nil {
			return err
		}
		if err := pipe.hear("ready", 1); err != nil {
			return err
		}
		stubborn := p.PID()
		if args[0] == "orphan" {
			if err := want(p, 0); err != nil {
				return err
			}
			stubborn = commandsOf(os.Getpid())[0]
		}
		if args[0] == "killable" {
			if err := p.Sweep(background); err != nil {
				return err
			}
			return errors.Join(gone(pipe), want(p, 128+9))
		}

		err = p.Signal(syscall.SIGTERM)
		if args[0] != "orphan" && (!errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "capability KILL")) {
			return fmt.Errorf("signal to another uid: %w, want EPERM and its remedy", err)
		}
		err = p.Sweep(ended())
		who := fmt.Sprintf("pid %d (", stubborn)
		if !errors.Is(err, ErrAlive) || !errors.Is(err, ErrUnkillable) || !errors.Is(err, errDeadline) ||
			!strings.Contains(err.Error(), who) || !strings.Contains(err.Error(), "uid 65534") || !strings.Contains(err.Error(), "capability KILL") {
			return fmt.Errorf("sweep says %w, want ErrAlive, ErrUnkillable, the context's cause and %q", err, who)
		}
		if !pipe.held() {
			return errors.New("the command has died after all")
		}
		err = await("the death of what may be killed below it", func() bool {
			children := childrenOf(stubborn)
			return len(children) == 1 && stateOf(children[0]) == "Z"
		})
		if err != nil {
			return err
		}
		if _, err := start(s, sh("exit 0")); !errors.Is(err, ErrNotSwept) {
			return fmt.Errorf("start beside a survivor: %w", err)
		}
		if args[0] == "leave" {
			return nil
		}
		fmt.Println(stubborn) // for the test, which may kill it
		if err := p.Sweep(background); err != nil {
			return err
		}
		return gone(pipe)
	}

	scenarios["as nobody"] = func([]string) error {
		// A child that keeps its uid, and is out of its group.
		if _, err := syscall.ForkExec("/bin/sh", sh("exec sleep 100"),
			&syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}}); err != nil {
			return err
		}
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
		return command.Exec(sh("echo ready >&8; exec sleep 100"), os.Environ())
	}

	scenarios["from outside"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		fmt.Println("enter")
		err = await("a process from outside", func() bool { return len(childrenOf(0)) == 2 })
		if err != nil {
			return err
		}
		p, err := start(s, sh("sleep 100 & exit 0"))
		if err != nil {
			return err
		}
		if err := want(p, 0); err != nil {
			return err
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		if err := await("the end of all that hold the pipe", func() bool { return !pipe.held() }); err != nil {
			return fmt.Errorf("a descendant still lives: %w", err)
		}
		return nil
	}

	scenarios["without proc"] = func(args []string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		script := "sleep 100 & echo ready >&8; sleep 100"
		if args[0] == "orphan" {
			script = "setsid sleep 100 & echo ready >&8; exit 0"
		}
		p, err := start(s, sh(script))
		if err != nil {
			return err
		}
		if err := pipe.hear("ready", 1); err != nil {
			return err
		}
		if args[0] == "orphan" {
			if err := want(p, 0); err != nil {
				return err
			}
		}
		if err := syscall.Mount("none", "/proc", "tmpfs", 0, ""); err != nil {
			return err
		}
		if args[0] == "orphan" && os.Getpid() != 1 {
			if err := p.Sweep(ended()); !errors.Is(err, ErrAlive) || !strings.Contains(err.Error(), "/proc is not mounted") {
				return fmt.Errorf("sweep says %w, want ErrAlive and that /proc is missing", err)
			}
			if !pipe.held() {
				return errors.New("the orphan is dead: it was not out of reach")
			}
			if err := syscall.Unmount("/proc", 0); err != nil {
				return err
			}
			if err := p.Sweep(background); err != nil {
				return err
			}
			return gone(pipe)
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		if err := syscall.Unmount("/proc", 0); err != nil {
			return err
		}
		return gone(pipe)
	}

	scenarios["killed gate"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		p, err := start(s, sh("echo ready >&8; exec sleep 100"))
		if err != nil {
			return err
		}
		// Threads come and go: the death signal must not mind.
		threads := make(chan int)
		release := make(chan struct{})
		for range 64 { // more than there are idle ones
			go func() {
				runtime.LockOSThread() // and end with the thread
				threads <- unix.Gettid()
				<-release
			}()
		}
		var locked []string
		for range 64 {
			locked = append(locked, "/proc/self/task/"+strconv.Itoa(<-threads))
		}
		close(release)
		err = await("the threads' end", func() bool {
			locked = slices.DeleteFunc(locked, func(task string) bool {
				_, err := os.Stat(task)
				return errors.Is(err, os.ErrNotExist)
			})
			return len(locked) <= 1 // the main thread does not end
		})
		if err != nil {
			return fmt.Errorf("%w: %v", err, locked)
		}
		if state := stateOf(p.PID()); p.Status() != -1 || state == "Z" {
			return fmt.Errorf("the command has died with a thread of ours: status %d, state %s", p.Status(), state)
		}
		if err := pipe.hear("ready", 1); err != nil {
			return err
		}
		fmt.Println("ready")
		return park()
	}
}

// dropKill gives CAP_KILL up for good and plays on: the bounding set limits what
// root has after an execve (capabilities(7)).
func dropKill(words []string) error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_KILL, 0, 0, 0); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", append([]string{os.Args[0], "scenario"}, words...), os.Environ())
}

func TestSweep_LeavesNoDescendant(t *testing.T) {
	t.Parallel()
	for name := range swept {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "sweep", name) })
		})
	}
}

func TestSweep_KillsWhatTheProcessHadBeforeItWasAGate(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "adopted before") })
}

func TestSweep_KillsGroupsThatAreOursAtOnce(t *testing.T) {
	t.Parallel()
	succeeds(t, asSubreaper, "groups")
}

func TestSweep_MayRunTwiceAtOnce(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "two sweeps") })
}

func TestStart_IsRefusedUntilTheLastCommandIsProvenDead(t *testing.T) {
	t.Parallel()
	succeeds(t, asSubreaper, "start unswept")
}

func TestReaper_BuriesOrphansWhileTheCommandRuns(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "orphans") })
}

func TestSweep_KillsACommandThatChangedItsUID(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "changed uid", "killable") })
}

func TestSweep_NamesWhomItMayNotKillAndGoesOnTrying(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	for _, who := range []string{"command", "orphan"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			g := begin(t, asSubreaper, "drop-kill", "changed uid", who)
			pid, err := strconv.Atoi(firstLine(t, g))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil { // we may
				t.Fatal(err)
			}
			g.end(t, 0)
		})
	}
}

func TestSweep_WhereKillingIsRefusedTheEndOfPID1KillsAll(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	g := begin(t, asInit, "drop-kill", "changed uid", "leave")
	g.end(t, 0)
	// PID 1's own end waits for the whole namespace (pid_namespaces(7)).
	for _, pid := range allPIDs() {
		if e, err := tree.Read(pid); err == nil && e.Parent == g.Process.Pid {
			t.Errorf("pid %d (%s) has outlived PID 1", pid, e.Comm)
		}
	}
}

func TestSweep_DoesNotWaitForProcessesFromOutsideTheNamespace(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	if _, err := exec.LookPath("nsenter"); err != nil {
		t.Skip("needs nsenter(1)")
	}
	g := begin(t, asInit, "from outside")
	firstLine(t, g)
	guest := exec.CommandContext(t.Context(), "nsenter", "-t", strconv.Itoa(g.Process.Pid), "-p", "sleep", "100")
	if err := guest.Start(); err != nil {
		t.Fatal(err)
	}
	g.end(t, 0)
	if err := guest.Wait(); err == nil {
		t.Error("the guest ended well, want it killed")
	}
}

func TestSweep_WithoutProcKillsWhatWasSpawned(t *testing.T) {
	t.Parallel()
	for _, m := range []mode{asInit, asMounter} {
		t.Run(string(m), func(t *testing.T) { succeeds(t, m, "without proc", "command") })
	}
}

func TestSweep_WithoutProcKillsOrphansAsPID1AndFailsElsewhere(t *testing.T) {
	t.Parallel()
	for _, m := range []mode{asInit, asMounter} {
		t.Run(string(m), func(t *testing.T) { succeeds(t, m, "without proc", "orphan") })
	}
}

func TestGate_KilledTakesItsCommandAlong(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) {
		g := begin(t, m, "killed gate")
		firstLine(t, g)
		if err := g.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// The command holds the gate's stdout: its end is the command's.
		if _, err := io.Copy(io.Discard, g.out); err != nil {
			t.Fatal(err)
		}
		_ = g.Wait()
	})
}

// firstLine reads what a scenario prints for its test.
func firstLine(t *testing.T, g *gate) string {
	t.Helper()
	reader := bufio.NewReader(g.out)
	g.out = reader
	line, err := reader.ReadString('\n')
	if err != nil {
		_, _ = io.Copy(io.Discard, g.out)
		_ = g.Wait()
		t.Fatalf("the gate said nothing on stdout: %v; on stderr:\n%s", err, g.errs)
	}
	return strings.TrimSpace(line)
}
