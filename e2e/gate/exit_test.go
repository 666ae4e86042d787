package gate

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// readOnly is a directory that everybody can see and nobody but root can write
// to.
func readOnly(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for path, mode := range map[string]os.FileMode{filepath.Dir(folder): 0o755, folder: 0o555} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// nobody is a user without rights, where this one may do anything.
func nobody() *syscall.Credential {
	if !stage.IsRoot() {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

func TestGate_EndsAtOnceWhereItCouldNeverRunTheCommand(t *testing.T) {
	folder := t.TempDir()
	plain := filepath.Join(folder, "plain")
	garbled := filepath.Join(folder, "kubeconfig")
	for _, path := range []string{plain, garbled} {
		if err := os.WriteFile(path, []byte("password: "+secret+"\n  - {"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	rows := []struct {
		name string
		pod  stage.Pod
		exit int
		says []string
	}{
		{"a command that is not found", stage.Pod{Command: []string{"no-such-command"}}, 127, []string{"no-such-command", "PATH"}},
		{"a command at a path that is not there", stage.Pod{Command: []string{folder + "/none"}}, 127, []string{folder + "/none"}},
		{"a command that is not executable", stage.Pod{Command: []string{plain}}, 126, []string{plain}},
		{"a command that is a directory", stage.Pod{Command: []string{folder}}, 126, []string{folder, "directory"}},
		{"no command", stage.Pod{Command: []string{}}, 78, []string{"K8S_AWAIT_ELECTION_ENABLED", "no command"}},
		{
			"everything that is required missing",
			stage.Pod{Env: map[string]string{"NAME": "", "LOCK_NAME": "", "LOCK_NAMESPACE": ""}},
			78, []string{"K8S_AWAIT_ELECTION_NAME", "K8S_AWAIT_ELECTION_LOCK_NAME", "K8S_AWAIT_ELECTION_LOCK_NAMESPACE"},
		},
		{
			"texts that rooms of their own read",
			stage.Pod{Env: map[string]string{
				"LIVENESS_PROBE_JSON": secret, "READINESS_PROBE_JSON": `{"httpGet":"` + secret + `"}`, "STOP_SIGNAL": secret, "LEASE_DURATION": secret,
			}},
			78, []string{
				"K8S_AWAIT_ELECTION_LIVENESS_PROBE_JSON", "K8S_AWAIT_ELECTION_READINESS_PROBE_JSON",
				"K8S_AWAIT_ELECTION_STOP_SIGNAL", "K8S_AWAIT_ELECTION_LEASE_DURATION", "for example",
			},
		},
		{"a lease under a second", stage.Pod{Env: map[string]string{"LEASE_DURATION": "900ms"}}, 78, []string{"K8S_AWAIT_ELECTION_LEASE_DURATION"}},
		{"a kubeconfig that is missing", stage.Pod{Kubeconfig: folder + "/none"}, 78, []string{folder + "/none", "KUBECONFIG"}},
		{"a kubeconfig that is none", stage.Pod{Kubeconfig: garbled}, 78, []string{garbled, "kubeconfig"}},
		{"neither a cluster nor a kubeconfig", stage.Pod{Env: map[string]string{"KUBECONFIG": ""}}, 78, []string{"KUBECONFIG", "LOCK_TYPE=file"}},
		{
			"a status port that is taken",
			stage.Pod{Env: map[string]string{"STATUS_ENDPOINT": taken.Addr().String()}},
			1, []string{"K8S_AWAIT_ELECTION_STATUS_ENDPOINT", "address already in use", "for example"},
		},
		{
			"a lock directory that is a file",
			stage.Pod{Env: map[string]string{"LOCK_TYPE": "file", "LOCK_DIR": plain}},
			78, []string{"LOCK_DIR", plain},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			row.pod.Name = "a"
			a := s.Start(row.pod)
			if got := s.AwaitExit(a); got != row.exit {
				t.Errorf("exit status %d, want %d", got, row.exit)
			}
			for _, word := range row.says {
				if !strings.Contains(a.Log(), word) {
					t.Errorf("it does not say %q", word)
				}
			}
			if strings.Contains(a.Log(), secret) {
				t.Error("a secret was printed")
			}
			if len(s.Runs()) > 0 {
				t.Error("the command was started")
			}
			if s.Lease() != nil {
				t.Error("the lock was touched")
			}
			if t.Failed() {
				t.Logf("it says: %s", a.Log())
			}
		})
	}
}

func TestFileLock_SaysThatItsDirectoryIsNotWritable(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	folder := readOnly(t)
	a := s.Start(stage.Pod{
		Name: "a", NotInit: true, User: nobody(), Kubeconfig: "unused",
		Env: map[string]string{"LOCK_TYPE": "file", "LOCK_DIR": folder, "KUBECONFIG": ""},
	})
	if got := s.AwaitExit(a); got != 78 {
		t.Errorf("exit status %d, want 78", got)
	}
	for _, word := range []string{"LOCK_DIR", folder, "permission denied"} {
		if !strings.Contains(a.Log(), word) {
			t.Errorf("it does not say %q: %s", word, a.Log())
		}
	}
}

func TestGate_BecomesTheCommandWhereThereIsNoElection(t *testing.T) {
	t.Parallel()
	for name, ours := range map[string][]string{
		"nobody speaks of one": nil,
		"it is not enabled":    {"K8S_AWAIT_ELECTION_ENABLED=", "K8S_AWAIT_ELECTION_LEASE_DURATION=nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(programs.Gate, "sh", "-c", `echo $$; env; exit 7`)
			cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "A=b"}, ours...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var ended *exec.ExitError
			if !errors.As(err, &ended) || ended.ExitCode() != 7 {
				t.Fatalf("it ended with %v, want status 7; it says %s", err, stderr.String())
			}
			pid, rest, _ := strings.Cut(stdout.String(), "\n")
			if pid != strconv.Itoa(cmd.Process.Pid) {
				t.Errorf("the command's pid is %s, the gate's was %d", pid, cmd.Process.Pid)
			}
			for _, variable := range cmd.Env {
				if !strings.Contains(rest, variable+"\n") {
					t.Errorf("the command does not have %s in its environment", variable)
				}
			}
			if stderr.Len() > 0 {
				t.Errorf("it says %s", stderr.String())
			}
		})
	}
}

// What is executed must not depend on whether anything is configured.
func TestGate_FindsTheSameCommandWithAndWithoutAConfiguration(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	const name = "the-command"
	for dir, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"closed":  {"#!/bin/sh\necho closed", 0o644},
		"good":    {"#!/bin/sh\necho good", 0o755},
		"lost":    {"#!/no/such/interpreter", 0o755},
		"another": {"#!/bin/sh\necho another", 0o755},
	} {
		if err := os.Mkdir(filepath.Join(folder, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, dir, name), []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(folder, "directory", name), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"good:another":           "good",
		"absent:good:another":    "good",
		"directory:good:another": "good",
		"closed:good:another":    "good",
		"lost:good":              "but not the interpreter",
		"absent":                 "command not found",
		"":                       "good", // the current directory
	} {
		for _, ours := range []string{"OTHER=1", "K8S_AWAIT_ELECTION_LOG_LEVEL=warn"} {
			var dirs []string
			for dir := range strings.SplitSeq(path, ":") {
				if dir != "" {
					dir = filepath.Join(folder, dir)
				}
				dirs = append(dirs, dir)
			}
			cmd := exec.Command(programs.Gate, name)
			cmd.Dir = filepath.Join(folder, "good")
			cmd.Env = []string{"PATH=" + strings.Join(dirs, ":"), ours}
			if text, _ := cmd.CombinedOutput(); !strings.Contains(string(text), want) {
				t.Errorf("PATH=%s with %s: it says %q, want %q", path, ours, text, want)
			}
		}
	}
}

// Starts of a gate, and hand-overs, pay for every package that comes before.
func TestProgram_InitialisesWhatAStartWaitsForFirst(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(programs.Gate, "--version")
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	place := func(of string) int {
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "init "+of) {
				return i
			}
		}
		t.Fatalf("%s is not initialised:\n%s", of, text)
		return 0
	}
	const internal = "github.com/k8s-await-election/k8s-await-election/internal/"
	if place(internal+"unelected ") > place("crypto/internal/fips140 ") {
		t.Errorf("a command without an election waits for packages that it does not need:\n%s", text)
	}
	if place(internal+"self ") > place("k8s.io/apimachinery/pkg/runtime ") {
		t.Errorf("a command and a guard wait for the Kubernetes packages:\n%s", text)
	}
}

func TestGate_TellsAsAShellDoesWhyItCannotBecomeTheCommand(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for command, want := range map[string]int{"no-such-command": 127, folder: 126, "": 78} {
		cmd := exec.Command(programs.Gate, command)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		text, err := cmd.CombinedOutput()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != want {
			t.Errorf("%q: it ended with %v, want status %d", command, err, want)
		}
		if !strings.HasPrefix(string(text), "k8s-await-election: ") || strings.Count(string(text), "\n") != 1 {
			t.Errorf("%q: it says %q, want one line", command, text)
		}
	}
}
