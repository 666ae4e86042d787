//go:build linux

package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// become runs this test binary as one that is to become the command, and returns
// how it ended and what it said on stderr.
func become(t *testing.T, argv ...string) (*os.ProcessState, string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: Becoming(-1, argv), Env: append(os.Environ(), "GREETING=hello"), Stderr: &stderr}
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

func TestBecoming_IsTheCommandInTheSameProcess(t *testing.T) {
	t.Parallel()
	state, said := become(t, "sh", "-c", `test "$GREETING" = hello && test "$0 $1" = "- --exec" && kill -USR1 $$`, "-", "--exec")
	if status, ok := state.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGUSR1 {
		t.Errorf("ended with %v, want the command's own death by SIGUSR1; it said %s", state, said)
	}
}
