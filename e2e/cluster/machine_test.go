package cluster

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary play the first process of a machine.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == MachineCommand {
		_, _ = io.WriteString(os.Stderr, RunMachine(os.Args[2]).Error())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestMachine_EndsUntouchedWhenItsStarterEndsBeforeItIsNoted(t *testing.T) {
	t.Parallel()
	wait, begins, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Would the machine go on, it would complain of this file.
	cmd := exec.CommandContext(t.Context(), os.Args[0], MachineCommand, filepath.Join(t.TempDir(), "absent"))
	cmd.ExtraFiles = []*os.File{wait}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = wait.Close()
	_ = begins.Close()
	if err := cmd.Wait(); err == nil {
		t.Error("it ended without an error")
	}
	if !strings.HasPrefix(said.String(), "wait to begin: ") {
		t.Errorf("it said %q", said.String())
	}
}
