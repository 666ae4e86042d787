package cluster

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestParseStat_ReadsPastANameOfSpacesAndParentheses(t *testing.T) {
	t.Parallel()
	text := "42 (a) Z (b c) S 7 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 991 1000 20 18446744073709551615\n"
	got, err := parseStat(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := (stat{state: "S", parent: 7, started: 991}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestProcess_IsNotMistakenForALaterOneOfItsNumber(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p, err := find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	earlier := process{PID: p.PID, Started: p.Started - 1}
	if earlier.alive() {
		t.Error("the earlier process of this number is taken to be alive")
	}
	if err := earlier.signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal to the earlier process: %v", err)
	}
	if err := earlier.kill(t.Context()); err != nil {
		t.Errorf("the end of the earlier process: %v", err)
	}
	if !p.alive() {
		t.Fatal("the process was hurt")
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.kill(ctx); err != nil {
		t.Fatal(err)
	}
	if p.alive() { // nobody has collected it: a zombie
		t.Error("the process is alive after its end")
	}
}
