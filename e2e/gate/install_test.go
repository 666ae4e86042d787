package gate

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// execute runs a command to its end and returns its exit status and all that it
// says.
func execute(t *testing.T, attr *syscall.SysProcAttr, command ...string) (status int, says string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = attr
	text, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

func TestInstall_IsRepeatableAlsoOverARunningGate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	copied := filepath.Join(folder, "k8s-await-election")
	for range 2 {
		if status, says := execute(t, nil, programs.Gate, "--install", folder); status != 0 || !strings.Contains(says, copied) {
			t.Fatalf("status %d: %s", status, says)
		}
	}
	s := stage.New(t, server, stage.Programs{Gate: copied, Actor: programs.Actor})
	s.LongLeases()
	running := s.Start(stage.Pod{Name: "a"})
	s.AwaitLeader(running)
	before, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}

	// The copy installs itself.
	if status, says := execute(t, nil, copied, "--install", copied); status != 0 {
		t.Fatalf("over a running binary: status %d: %s", status, says)
	}
	after, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) || after.Mode() != 0o555 {
		t.Errorf("same file: %v, mode %v; want another of mode 0555", os.SameFile(before, after), after.Mode())
	}
	want, err := os.ReadFile(programs.Gate)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy differs from the original, error %v", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, error %v", entries, err)
	}
	if status, says := execute(t, nil, copied, "--version"); status != 0 {
		t.Errorf("the copy does not run: status %d: %s", status, says)
	}
	// Nothing has happened to the gate that ran all the while.
	s.AwaitCode(running, "/leader", 200)
	running.Signal(syscall.SIGTERM)
	if got := s.AwaitExit(running); got != 0 {
		t.Errorf("exit status %d", got)
	}
}

func TestInstall_SaysWhatIsWrongWithTheTarget(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "taken", "k8s-await-election"), 0o700); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for target, words := range map[string][]string{
		folder + "/none/":     {folder + "/none", "no such directory", "emptyDir"},
		folder + "/none/gate": {folder + "/none", "emptyDir"},
		folder + "/taken":     {"is a directory"},
		pipe:                  {pipe, "neither a file nor a directory"},
	} {
		status, says := execute(t, nil, programs.Gate, "--install", target)
		if status != 1 || !contains(says, words) || strings.Count(says, "\n") != 1 {
			t.Errorf("%s: status %d, says %q, want 1 and %q", target, status, says, words)
		}
	}
}

func TestInstall_SaysThatItMayNotWrite(t *testing.T) {
	t.Parallel()
	folder := readOnly(t)
	status, says := execute(t, &syscall.SysProcAttr{Credential: nobody()}, programs.Gate, "--install", folder)
	if words := []string{folder, "permission denied", "may not write", "fsGroup"}; status != 1 || !contains(says, words) {
		t.Errorf("status %d, says %q, want 1 and %q", status, says, words)
	}
}

func TestInstall_LeavesNothingOnAVolumeThatCannotTakeIt(t *testing.T) {
	stage.NeedRoot(t)
	t.Parallel()
	for option, words := range map[string][]string{
		"ro":        {"read-only file system", "without readOnly"},
		"size=256k": {"no space left", "MiB", "sizeLimit"},
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			// The volume is there for these commands alone.
			const script = `mount --make-rprivate / && mount -t tmpfs -o "$1" tmpfs "$2" && { "$3" --install "$2"; status=$?; ls -A "$2"; exit $status; }`
			status, says := execute(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS},
				"/bin/sh", "-c", script, "sh", option, folder, programs.Gate)
			if status != 1 || !contains(says, append(words, folder)) {
				t.Errorf("status %d, says %q, want 1 and %q", status, says, words)
			}
			if strings.Count(says, "\n") != 1 {
				t.Errorf("something was left behind: %s", says)
			}
		})
	}
}
