//go:build linux

package command

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// never is an instant that no clock reaches.
const never = math.MaxInt64

func TestMain(m *testing.M) {
	if os.Args[0] == Name {
		Become(os.Args[1:]) // as package self does it
	}
	os.Exit(m.Run())
}

// become runs this test binary as one that is to become the command, and returns
// how it ended and what it said on stderr.
func become(t *testing.T, argv ...string) (*os.ProcessState, string) {
	t.Helper()
	return becomeBefore(t, never, argv...)
}

// becomeBefore is become, as long as it is before an instant.
func becomeBefore(t *testing.T, before time.Duration, argv ...string) (*os.ProcessState, string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: Becoming(-1, before, argv), Env: append(os.Environ(), "GREETING=hello"), Stderr: &stderr}
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState, stderr.String()
}

func TestBecoming_TellsWhyACommandCannotBeStarted(t *testing.T) {
	t.Parallel()
	dir := commands(t)
	for name, want := range map[string]struct {
		status int
		says   string
	}{
		"absent":       {127, "command not found"},
		"unexecutable": {126, "chmod +x"},
		"second":       {126, "is a directory"},
		"plain":        {126, "#!/bin/sh"},
		"foreign":      {126, "neither a program for this machine"},
		"lost":         {126, "interpreter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, said := become(t, filepath.Join(dir, name))
			if state.ExitCode() != want.status || !strings.Contains(said, want.says) {
				t.Errorf("ended with %d and said %q, want %d and %q", state.ExitCode(), said, want.status, want.says)
			}
		})
	}
}

func TestBecoming_EndsWithOneWithoutACommand(t *testing.T) {
	t.Parallel()
	if state, said := become(t); state.ExitCode() != 1 || !strings.Contains(said, "its command line is empty") {
		t.Errorf("ended with %d and said %q", state.ExitCode(), said)
	}
}

func TestBecoming_WaitsForItsPermission(t *testing.T) {
	t.Parallel()
	for name, trial := range map[string]struct {
		said   string
		status int
	}{
		"given":      {"x", 7},
		"taken back": {"", 75},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place, permit, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := &exec.Cmd{Path: "/proc/self/exe", Args: Becoming(3, never, []string{"sh", "-c", "exit 7"}), ExtraFiles: []*os.File{place}}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_, err = permit.WriteString(trial.said)
			if err := errors.Join(err, permit.Close(), place.Close()); err != nil {
				t.Fatal(err)
			}
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != trial.status {
				t.Errorf("ended with %v, want status %d", cmd.ProcessState, trial.status)
			}
		})
	}
}

func TestBecoming_StartsNothingAfterItsTime(t *testing.T) {
	t.Parallel()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	if state, said := becomeBefore(t, time.Duration(now.Nano()), "true"); state.ExitCode() != 75 || !strings.Contains(said, "the lease was lost") {
		t.Errorf("ended with %d and said %q", state.ExitCode(), said)
	}
}

func TestBecoming_IsTheCommandInTheSameProcess(t *testing.T) {
	t.Parallel()
	state, said := become(t, "sh", "-c", `test "$GREETING" = hello && test "$0 $1" = "- --exec" && kill -USR1 $$`, "-", "--exec")
	if status, ok := state.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGUSR1 {
		t.Errorf("ended with %v, want the command's own death by SIGUSR1; it said %s", state, said)
	}
}
