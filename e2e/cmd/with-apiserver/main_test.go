package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestExecute_ReturnsTheExitStatusOfTheCommand(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{
		"exit 0":                         0,
		"exit 7":                         7,
		"kill -KILL $$":                  128 + 9,
		`test "$KUBECONFIG" = /the/file`: 0,
	} {
		if got, err := execute([]string{"sh", "-c", script}, "/the/file", nil); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", script, got, err, want)
		}
	}
	if got, err := execute([]string{filepath.Join(t.TempDir(), "absent")}, "", nil); err == nil || got != 127 {
		t.Errorf("an absent command: got %d, %v", got, err)
	}
}

func TestExecute_PassesSignalsOn(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	go func() {
		// Opening a fifo waits for the other side: the trap is set by then.
		if _, err := os.ReadFile(ready); err != nil {
			t.Error(err)
		}
		signals <- syscall.SIGTERM
	}()
	script := `trap 'exit 3' TERM; : >` + ready + `; while :; do sleep 0.01; done`
	if got, err := execute([]string{"sh", "-c", script}, "", signals); err != nil || got != 3 {
		t.Errorf("got %d, %v, want 3", got, err)
	}
}
