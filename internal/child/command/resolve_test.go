//go:build linux

package child

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// unstartable are commands that cannot be started, below the directory.
var unstartable = map[string]struct {
	status int
	says   string
}{
	"absent":       {127, "command not found"},
	"unexecutable": {126, "chmod +x"},
	"second":       {126, "is a directory"},
	"plain":        {126, "#!/bin/sh"},
	"foreign":      {126, "neither a program for this machine"},
	"lost":         {126, "interpreter"},
}

func init() {
	scenarios["start in vain"] = func(args []string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		for name, trial := range unstartable {
			p, err := start(s, []string{filepath.Join(args[0], name)})
			if err != nil {
				return fmt.Errorf("start %s: %w", name, err)
			}
			if err := errors.Join(want(p, trial.status), p.Sweep(background)); err != nil {
				return fmt.Errorf("start %s: %w", name, err)
			}
		}
		if _, err := start(s, nil); err == nil || ExitStatus(err) != 1 {
			return fmt.Errorf("start of nothing: %w, which is status %d, want 1", err, ExitStatus(err))
		}
		if pipe.held() {
			return errors.New("a failed start has left a process")
		}
		p, err := start(s, []string{filepath.Join(args[0], "good")}) // without a sweep: nothing ran
		if err != nil {
			return err
		}
		return want(p, 5)
	}
	scenarios["exec"] = func(args []string) error {
		err := Exec(args, append(os.Environ(), "GREETING=hello"))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(ExitStatus(err))
		return nil
	}
}

func TestStart_TellsWhyACommandCannotBeStarted(t *testing.T) {
	t.Parallel()
	dir := commands(t)
	inBothModes(t, func(t *testing.T, m mode) {
		g := begin(t, m, "start in vain", dir)
		g.end(t, 0)
		for name, trial := range unstartable {
			if !strings.Contains(g.errs.String(), trial.says) {
				t.Errorf("%s: says %q, want %q", name, g.errs, trial.says)
			}
		}
	})
}

func TestExec_TellsWhyACommandCannotBeStarted(t *testing.T) {
	t.Parallel()
	dir := commands(t)
	for name, trial := range unstartable {
		g := begin(t, asSubreaper, "exec", filepath.Join(dir, name))
		g.end(t, trial.status)
		if !strings.Contains(g.errs.String(), trial.says) {
			t.Errorf("%s: says %q, want %q", name, g.errs, trial.says)
		}
	}
}

func TestExec_BecomesTheCommand(t *testing.T) {
	t.Parallel()
	g := begin(t, asSubreaper, "exec", "sh", "-c", `test "$GREETING" = hello && kill -USR1 $$`)
	err := g.Wait()
	status, ok := g.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGUSR1 {
		t.Errorf("ended with %v, want the command's own death by SIGUSR1; it said %s", err, g.errs)
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

func TestMerge_ReplacesWhatIsThere(t *testing.T) {
	t.Parallel()
	base := []string{"A=1", "TOKEN=old", "B=2", "TOKEN=older", "TOKENS=3"}
	got := merge(base, []string{"TOKEN=new=er", "C="})
	if want := []string{"A=1", "B=2", "TOKENS=3", "TOKEN=new=er", "C="}; !slices.Equal(got, want) {
		t.Errorf("merge = %q, want %q", got, want)
	}
}
