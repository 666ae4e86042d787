package selfinstall

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// What the test binary does when it is called with these words and a directory.
const (
	asInstaller  = "selfinstall-installer" // installs there
	asRunning    = "selfinstall-running"   // says so, and ends with its input
	asFull       = "selfinstall-full"      // installs to a full file system that it mounts there
	asReadOnly   = "selfinstall-read-only" // installs to a read-only one
	asForeigner  = "selfinstall-foreigner" // installs as a user who may not write there
	unprivileged = 65534
)

func TestMain(m *testing.M) {
	roles := map[string]func(dir string) error{
		asInstaller: func(dir string) error { _, err := Install(dir); return err },
		asRunning:   keepRunning,
		asFull:      full,
		asReadOnly:  readOnly,
		asForeigner: foreigner,
	}
	if len(os.Args) == 3 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Args[2]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// installed checks that path is this binary, for all to run, and that nothing
// else is in its directory.
func installed(t *testing.T, path string) {
	t.Helper()
	want, err := os.ReadFile(running)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, not the %d of this binary (%v)", path, len(got), len(want), err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o555 {
		t.Errorf("%s: %v, %v", path, info.Mode(), err)
	}
	alone(t, filepath.Dir(path), filepath.Base(path))
}

// alone checks that these names are all there is in dir.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if strings.Join(found, " ") != strings.Join(names, " ") {
		t.Errorf("%s has %q, not %q", dir, found, names)
	}
}

func mustInstall(t *testing.T, target, want string) {
	t.Helper()
	path, err := Install(target)
	if err != nil {
		t.Fatal(err)
	}
	if path != want {
		t.Errorf("installed to %s, not %s", path, want)
	}
	installed(t, want)
}

func TestInstall_NamesTheCopyInADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustInstall(t, dir, filepath.Join(dir, "k8s-await-election"))
	mustInstall(t, dir+"/", filepath.Join(dir, "k8s-await-election"))
}

func TestInstall_TakesAFileName(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gate")
	mustInstall(t, path, path)
	mustInstall(t, path, path)
}

func TestInstall_ReplacesAnotherVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gate")
	if err := os.WriteFile(path, []byte("older, and much longer in name than in fact"), 0o444); err != nil {
		t.Fatal(err)
	}
	mustInstall(t, path, path)
}

func TestInstall_ReplacesABinaryThatRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, err := Install(dir)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, asRunning, dir)
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(output, make([]byte, len(saysRunning))); err != nil {
		t.Fatal(err)
	}
	if file, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil || os.Geteuid() == 0 && !errors.Is(err, syscall.ETXTBSY) {
		_ = file.Close()
		t.Errorf("a running binary could be written in place: %v", err)
	}
	mustInstall(t, dir, path)
	_ = input.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("the running one: %v", err)
	}
}

const saysRunning = "running"

func keepRunning(string) error {
	fmt.Print(saysRunning)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// A copy can install itself, over itself too.
func TestInstall_WorksFromACopyThatWasDeleted(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	path, err := Install(dir)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/bin/sh", "-c", `exec 3<"$0"; rm "$0"; exec /proc/self/fd/3 "$1" "$2"`, path, asInstaller, other)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	installed(t, filepath.Join(other, name))
}

func TestInstall_RemovesWhatAKilledInstallLeft(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o700, 0o555, 0} {
		path := filepath.Join(t.TempDir(), "gate")
		if err := os.WriteFile(temporary(path), []byte("half"), mode); err != nil {
			t.Fatal(err)
		}
		if mode == 0 && os.Geteuid() != 0 {
			continue // not to be opened; nothing here leaves such a file
		}
		mustInstall(t, path, path)
	}
}

func TestInstall_WaitsForAnotherInTheSameDirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gate")
	other, err := begin(temporary(path))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { _, err := Install(path); done <- err }()
	waitsFor(t, other)
	// The other one ends well; what it has begun must not be disturbed.
	if _, err := other.WriteString("the other version"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other.Name(), path); err != nil {
		t.Fatalf("the other install lost its file: %v", err)
	}
	_ = other.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	installed(t, path)
}

// waitsFor returns when somebody waits for the flock of file (proc_locks(5)).
func waitsFor(t *testing.T, file *os.File) {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	waiting := regexp.MustCompile(fmt.Sprintf(`-> FLOCK .*:%d `, info.Sys().(*syscall.Stat_t).Ino))
	for {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			t.Fatal(err)
		}
		if waiting.Match(locks) {
			return
		}
		runtime.Gosched() // the test would hang here
	}
}

func TestInstall_LetsManyInstallAtOneTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	done := make(chan error)
	const installs = 10
	for range installs {
		go func() { _, err := Install(dir); done <- err }()
	}
	for range installs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	installed(t, filepath.Join(dir, name))
}

func TestInstall_SaysWhatIsWrongWithTheTarget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "taken", name), 0o700); err != nil {
		t.Fatal(err)
	}
	// A device of one's own: a mistake must not cost the machine one of its.
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ target, remedy string }{
		{"", "name a directory or a file"},
		{filepath.Join(dir, "missing", "gate"), "mount a volume there"},
		{filepath.Join(dir, "missing") + "/", "mount a volume there"},
		{filepath.Join(file, "gate"), "mount a volume there"},
		{filepath.Join(dir, "taken"), "remove it, or name another target"},
		{pipe, "name another target"},
		{"/proc/gate", "no file can be made in /proc"}, // though there is a directory
	} {
		path, err := Install(row.target)
		if err == nil || path != "" || !strings.Contains(err.Error(), strings.TrimSuffix(row.target, "/")) || !strings.Contains(err.Error(), row.remedy) {
			t.Errorf("%q: installed to %q, %v", row.target, path, err)
		}
	}
	alone(t, dir, "file", "pipe", "taken")
}

// run runs a role in a process of its own, with mounts that nobody else sees.
func run(t *testing.T, role, dir string) {
	t.Helper()
	command := exec.Command(os.Args[0], role, dir)
	if role != asForeigner {
		command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	if uid := os.Geteuid(); uid != 0 && role != asForeigner {
		command.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		}
	}
	out, err := command.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Skipf("%s: mounts of one's own are not permitted here: %v", role, err)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestInstall_LeavesNothingOnAFullFileSystem(t *testing.T) {
	t.Parallel()
	run(t, asFull, t.TempDir())
}

func full(dir string) error {
	if err := mount(dir, "size=64k"); err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("former"), 0o555); err != nil {
		return err
	}
	_, err := Install(dir)
	if err := helps(err, path, syscall.ENOSPC, "sizeLimit"); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		return fmt.Errorf("left %v, %w", entries, err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "former" {
		return fmt.Errorf("the former file is now %q, %w", text, err)
	}
	return nil
}

func TestInstall_SaysWhatIsWrongWithAReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	run(t, asReadOnly, t.TempDir())
}

func readOnly(dir string) error {
	if err := mount(dir, ""); err != nil {
		return err
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	_, err := Install(dir)
	return helps(err, filepath.Join(dir, name), syscall.EROFS, "emptyDir")
}

func mount(dir, options string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}

func TestInstall_SaysWhatIsWrongForAUserWhoMayNotWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, mode := range map[string]fs.FileMode{filepath.Dir(dir): 0o711, dir: 0o555} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	run(t, asForeigner, dir)
	alone(t, dir)
}

func foreigner(dir string) error {
	if os.Geteuid() == 0 {
		if err := syscall.Setuid(unprivileged); err != nil {
			return err
		}
	}
	_, err := Install(dir)
	return helps(err, filepath.Join(dir, name), syscall.EACCES, "emptyDir")
}

// helps checks that err names the path, the cause and what to do.
func helps(err error, path string, cause error, remedy string) error {
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), remedy) {
		return fmt.Errorf("does not help: %w", err)
	}
	return nil
}
