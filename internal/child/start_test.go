//go:build linux

package child

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
)

func init() {
	scenarios["environment"] = func([]string) error {
		s, _, err := newGate()
		if err != nil {
			return err
		}
		c := guarded(s, sh(`echo "$INHERITED $TOKEN $(env | grep -c ^TOKEN=) $(ulimit -Sn)" >&8`))
		if err := errors.Join(os.Setenv("INHERITED", "yes"), os.Setenv("TOKEN", "stale")); err != nil {
			return err
		}
		for _, token := range []string{"5", "6"} { // each term has its own
			p, err := c.Start([]string{"TOKEN=" + token}, nil)
			if err != nil {
				return err
			}
			if err := errors.Join(want(p, 0), p.Sweep(background)); err != nil {
				return err
			}
		}
		pipe := new(pipe)
		pipe.read()
		// Go raises its own limit of open files; the command gets the original.
		if got, want := string(pipe.said), "yes 5 1 77\nyes 6 1 77\n"; got != want {
			return fmt.Errorf("the command said %q, want %q", got, want)
		}
		return nil
	}

	scenarios["new"] = func([]string) error {
		_, _, err := newGate()
		return err
	}

	// The gate of a terminal. What it says goes to descriptor 8.
	scenarios["terminal"] = func(args []string) error {
		caught := make(chan os.Signal, 64)
		signal.Notify(caught, Forwardable()...)
		s, _, err := newGate()
		if err != nil {
			return err
		}
		say := func(words ...any) { _, _ = syscall.Write(remains, fmt.Appendln(nil, words...)) }
		foreground := func() int {
			group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
			if err != nil {
				return -1
			}
			return group
		}
		// A command that cannot be started does not keep the terminal.
		if p, err := start(s, args); err != nil {
			return err
		} else if err := errors.Join(want(p, 126), p.Sweep(background)); err != nil {
			return fmt.Errorf("start of what is no program: %w", err)
		}
		if foreground() != syscall.Getpgrp() {
			return errors.New("the terminal is not ours after a start in vain")
		}
		p, err := start(s, sh(`grep ^SigIgn: /proc/self/status >&8; read line; echo "line $line" >&8; exec sleep 100`))
		if err != nil {
			return err
		}
		if foreground() != p.PID() {
			return fmt.Errorf("the foreground is group %d, want the command's, %d", foreground(), p.PID())
		}
		// Under `stty tostop` this would stop, or never end.
		fmt.Println("the gate's log")
		say("running")
		<-p.Exited()
		if foreground() != syscall.Getpgrp() {
			return fmt.Errorf("the foreground is group %d after the command's end, want ours, %d", foreground(), syscall.Getpgrp())
		}
		select {
		case sig := <-caught:
			return fmt.Errorf("the gate got %v too", sig)
		default:
		}
		say("status", p.Status())

		// A shell's job has the terminal when all are killed.
		if err := p.Sweep(background); err != nil {
			return err
		}
		p, err = start(s, me("foreground job"))
		if err != nil {
			return err
		}
		if err := await("a job in the foreground", func() bool { return foreground() != p.PID() && foreground() != syscall.Getpgrp() }); err != nil {
			return err
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		if foreground() != syscall.Getpgrp() {
			return fmt.Errorf("the foreground is group %d after the sweep, want ours, %d", foreground(), syscall.Getpgrp())
		}
		return nil
	}

	// A shell with job control, which has put a job into the foreground.
	scenarios["foreground job"] = func([]string) error {
		mask, err := strconv.ParseUint(tree.Status(os.Getpid(), "SigIgn"), 16, 64)
		if err != nil || ignored(mask) != 0 {
			return fmt.Errorf("the second command ignores signals %x, error %w", mask, err)
		}
		pid, err := syscall.ForkExec("/bin/sh", sh("exec sleep 100"), &syscall.ProcAttr{
			Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Foreground: true, Ctty: 0}})
		if err != nil {
			return err
		}
		_, err = syscall.Wait4(pid, nil, 0, nil)
		return err
	}
}

func TestStart_AddsToTheEnvironmentAndKeepsLimits(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := begin(t, asSubreaper, "exec", "sh", "-c", "ulimit -Sn 77; exec "+self+" scenario environment")
	g.end(t, 0)
}

func TestNew_WarnsWhereItIsNotPID1(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) {
		g := begin(t, m, "new")
		g.end(t, 0)
		if warned, want := strings.Count(g.errs.String(), "not PID 1"), map[mode]int{asSubreaper: 1}[m]; warned != want {
			t.Errorf("warned %d times, want %d:\n%s", warned, want, g.errs)
		}
	})
}

// terminal is a pseudo-terminal: its master, and the slave for a gate.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	master = os.NewFile(uintptr(fd), "terminal")
	t.Cleanup(func() { _ = master.Close() })
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	settings, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag |= unix.TOSTOP
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func TestStart_LendsTheTerminalToTheCommand(t *testing.T) {
	t.Parallel()
	master, slave := terminal(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	life, hold, errLife := os.Pipe()
	hear, say, errSay := os.Pipe()
	if err := errors.Join(errLife, errSay); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(life.Close(), hold.Close(), hear.Close()) }()
	errs := new(transcript)
	cmd := exec.CommandContext(t.Context(), self, "scenario", "terminal", noProgram(t))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, errs
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	cmd.ExtraFiles = []*os.File{life, null, nil, nil, nil, say}
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = say.Close()
	said := make([]byte, 0, 1000)
	expect := func(word string) {
		t.Helper()
		for buffer := make([]byte, 100); !bytes.Contains(said, []byte(word)); {
			n, err := hear.Read(buffer)
			said = append(said, buffer[:n]...)
			if errors.Is(err, io.EOF) {
				err = errors.Join(cmd.Wait(), err)
			}
			if err != nil {
				t.Fatalf("%q was not said but %q: %v\n%s", word, said, err, errs)
			}
		}
	}
	expect("running")
	if _, err := master.WriteString("typed\n"); err != nil {
		t.Fatal(err)
	}
	expect("line typed")
	_, after, _ := bytes.Cut(said, []byte("SigIgn:\t"))
	mask, err := strconv.ParseUint(string(after[:min(len(after), 16)]), 16, 64)
	if err != nil || ignored(mask) != 0 {
		t.Errorf("the command said %q, want that it ignores no signal", said)
	}
	if _, err := master.WriteString("\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	expect("status 130")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the gate ended with %v\n%s", err, errs)
	}
}

func init() {
	scenarios["too late"] = func([]string) error {
		s, _, err := newGate()
		if err != nil {
			return err
		}
		p, err := guarded(s, sh("exit 0")).Start(nil, func() bool { return false })
		if p != nil || !errors.Is(err, ErrTooLate) {
			return fmt.Errorf("process %v, error %w, want ErrTooLate", p, err)
		}
		if now := childrenOf(os.Getpid()); len(now) != 0 {
			return fmt.Errorf("children %v were spawned", now)
		}
		return nil
	}
}

func TestStart_SpawnsNothingWhenItIsTooLate(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "too late") })
}

func init() {
	scenarios["start in vain"] = func(args []string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		for file, status := range map[string]int{args[0] + ".absent": 127, args[0]: 126} {
			p, err := start(s, []string{file})
			if err != nil {
				return fmt.Errorf("start %s: %w", file, err)
			}
			if err := errors.Join(want(p, status), p.Sweep(background)); err != nil {
				return fmt.Errorf("start %s: %w", file, err)
			}
		}
		if _, err := start(s, nil); err == nil {
			return errors.New("an empty command line was started")
		}
		if err := await("the end of all that hold the pipe", func() bool { return !pipe.held() }); err != nil {
			return fmt.Errorf("a failed start has left a process: %w", err)
		}
		p, err := start(s, []string{"sh", "-c", "exit 5"})
		if err != nil {
			return err
		}
		return want(p, 5)
	}
}

// noProgram is a file that may be executed and cannot be.
func noProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(path, []byte("exit 5\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStart_EndsWithAShellsStatusWhereTheCommandCannotBeRun(t *testing.T) {
	t.Parallel()
	plain := noProgram(t)
	inBothModes(t, func(t *testing.T, m mode) {
		g := begin(t, m, "start in vain", plain)
		g.end(t, 0)
		for _, says := range []string{"command not found", "#!/bin/sh"} {
			if !strings.Contains(g.errs.String(), says) {
				t.Errorf("says %q, want %q", g.errs, says)
			}
		}
	})
}
