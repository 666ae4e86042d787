//go:build linux

package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// commands makes a directory with commands that can and cannot be run.
func commands(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"good":          {"#!/bin/sh\nexit 5\n", 0o755},
		"plain":         {"exit 5\n", 0o755},
		"lost":          {"#!/no/such/interpreter\n", 0o755},
		"foreign":       {"\x7fELF nonsense", 0o755},
		"unexecutable":  {"#!/bin/sh\nexit 5\n", 0o644},
		"second/good2":  {"#!/bin/sh\nexit 6\n", 0o755},
		"second/masked": {"#!/bin/sh\nexit 7\n", 0o755},
		"masked":        {"", 0o644},
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(file.text), file.mode)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestResolve_FollowsTheRulesOfExecvp(t *testing.T) {
	t.Parallel()
	dir := commands(t)
	path := "PATH=" + dir + "/missing:" + dir + ":" + dir + "/second"
	for name, trial := range map[string]struct {
		command string
		env     []string
		want    string
		err     error
	}{
		"first directory that has it":     {"good", []string{path}, dir + "/good", nil},
		"later directory":                 {"good2", []string{path}, dir + "/second/good2", nil},
		"passes over what may not run":    {"masked", []string{path}, dir + "/second/masked", nil},
		"reports what may not run":        {"unexecutable", []string{path}, "", ErrNotExecutable},
		"reports a directory":             {"second", []string{path}, "", ErrNotExecutable},
		"nowhere":                         {"no-such-command", []string{path}, "", ErrNotFound},
		"a slash skips PATH":              {dir + "/good", nil, dir + "/good", nil},
		"a slash, absent":                 {dir + "/absent", []string{path}, "", ErrNotFound},
		"a slash, below a file":           {dir + "/good/x", []string{path}, "", ErrNotFound},
		"a slash, a directory":            {dir + "/second", []string{path}, "", ErrNotExecutable},
		"a slash, not executable":         {dir + "/unexecutable", []string{path}, "", ErrNotExecutable},
		"no PATH means the system's":      {"sh", []string{"HOME=/"}, "/bin/sh", nil},
		"an empty PATH is the current":    {"sh", []string{"PATH="}, "", ErrNotFound},
		"the first PATH counts":           {"good", []string{path, "PATH=/nowhere"}, dir + "/good", nil},
		"an empty name":                   {"", []string{path}, "", ErrNotFound},
		"a name too long for any file":    {strings.Repeat("x", 300), []string{path}, "", ErrNotFound},
		"a name with a NUL":               {"a\x00b", []string{path}, "", ErrNotFound},
		"a relative directory in PATH":    {"resolve_test.go", []string{"PATH=."}, "", ErrNotExecutable},
		"an empty element is the current": {"resolve_test.go", []string{"PATH=/nowhere:"}, "", ErrNotExecutable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Resolve(trial.command, trial.env)
			if got != trial.want || !errors.Is(err, trial.err) {
				t.Errorf("Resolve = %q, %v, want %q, %v", got, err, trial.want, trial.err)
			}
		})
	}
}

func TestResolve_PassesOverADirectoryThatMayNotBeSearched(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs another user than root, which may search every directory")
	}
	t.Parallel()
	closed := filepath.Join(commands(t), "second")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o755) }) // else it cannot be removed
	if _, err := Resolve("good2", []string{"PATH=" + closed}); !errors.Is(err, ErrNotFound) {
		t.Errorf("searched in PATH: %v, want ErrNotFound", err)
	}
	if _, err := Resolve(closed+"/good2", nil); !errors.Is(err, ErrNotExecutable) {
		t.Errorf("named in full: %v, want ErrNotExecutable", err)
	}
}

func TestResolve_TakesACommandFromTheCurrentDirectoryIfPATHSaysSo(t *testing.T) {
	dir := commands(t)
	t.Chdir(dir)
	for _, path := range []string{"PATH=", "PATH=.", "PATH=/nowhere:"} {
		if got, err := Resolve("good", []string{path}); err != nil || got != "./good" {
			t.Errorf("Resolve with %s = %q, %v", path, got, err)
		}
	}
}

func TestExitStatus_IsOneForWhatIsNotTheCommandsFault(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE} {
		err := explainExec("/bin/sh", errno)
		if ExitStatus(err) != 1 || !errors.Is(err, errno) {
			t.Errorf("%v is status %d, want 1", err, ExitStatus(err))
		}
	}
}
