package filelock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// The tests of this file are not parallel: what one of them starts would inherit
// the flocks that the others hold, as descendants do.

// What the test binary does when it is called with these words.
const (
	asGate       = "filelock-gate"      // DIR IDENTITY: acquires, releases on the line «release», ends with its input
	asParent     = "filelock-parent"    // the same, and starts a command that ends with descriptor 3
	asCommand    = "filelock-command"   // ends with its input
	asRenewer    = "filelock-renewer"   // DIR IDENTITY: acquires and renews all the time
	asLocker     = "filelock-locker"    // DIR: takes the flock and writes no record
	asFullDisk   = "filelock-full"      // DIR: writes on a full file system, which it mounts there
	asReadOnly   = "filelock-read-only" // DIR: writes on a read-only file system, which it mounts there
	asForeigner  = "filelock-foreigner" // DIR: is a user who may not write there
	asRefusedDir = "filelock-refused"   // DIR: the same, from the beginning
	asUnsynced   = "filelock-unsynced"  // DIR WHAT: writes where syncing that fails
	unprivileged = 65534
)

func TestMain(m *testing.M) {
	roles := map[string]func(dir, identity string) error{
		asGate:       func(dir, identity string) error { return gate(dir, identity, false) },
		asParent:     func(dir, identity string) error { return gate(dir, identity, true) },
		asCommand:    func(string, string) error { _, err := io.Copy(io.Discard, os.Stdin); return err },
		asRenewer:    renewer,
		asLocker:     locker,
		asFullDisk:   fullDisk,
		asReadOnly:   readOnly,
		asForeigner:  foreigner,
		asRefusedDir: refusedDir,
		asUnsynced:   unsynced,
	}
	if len(os.Args) == 4 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Args[2], os.Args[3]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func acquireAlone(lock *Lock, identity string) (elector.Observation, error) {
	ctx := context.Background()
	obs, err := lock.Read(ctx)
	if err != nil {
		return obs, err
	}
	return lock.Write(ctx, obs, heldBy(identity))
}

func gate(dir, identity string, withCommand bool) error {
	lock, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	obs, err := acquireAlone(lock, identity)
	if err != nil {
		return err
	}
	if withCommand {
		command := exec.Command(os.Args[0], asCommand, "", "")
		command.Stdin = os.NewFile(3, "input")
		if err := command.Start(); err != nil {
			return err
		}
	}
	fmt.Println("held")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if obs, err = lock.Write(context.Background(), obs, released()); err != nil {
			return err
		}
		fmt.Println("released")
	}
	return lines.Err()
}

func renewer(dir, identity string) error {
	lock, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	for obs, err := acquireAlone(lock, identity); ; obs, err = lock.Write(context.Background(), obs, heldBy(identity)) {
		if err != nil {
			return err
		}
		// Who never leaves the mutex keeps readers out; no holder writes so much.
		time.Sleep(time.Millisecond)
	}
}

func locker(dir, _ string) error {
	lock, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	if _, err := lock.tenant(); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// process is another process of the test binary.
type process struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

// start starts a role; extra becomes its descriptor 3.
func start(t *testing.T, extra *os.File, role, dir, identity string) *process {
	t.Helper()
	command := exec.Command(os.Args[0], role, dir, identity)
	command.Stderr = os.Stderr
	if extra != nil {
		command.ExtraFiles = []*os.File{extra}
	}
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
	p := &process{command, input, bufio.NewReader(output)}
	t.Cleanup(p.kill)
	return p
}

func (p *process) says(t *testing.T, want string) {
	t.Helper()
	if line, err := p.output.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("said %q (%v), not %q", line, err, want)
	}
}

// kill ends the process by SIGKILL and waits until it is gone.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_, _ = p.command.Process.Wait()
}

// run runs a role to its end.
func run(t *testing.T, attributes *syscall.SysProcAttr, role, dir string) {
	t.Helper()
	runFor(t, attributes, role, dir, "a")
}

// runFor runs a role that is told one more thing than the directory.
func runFor(t *testing.T, attributes *syscall.SysProcAttr, role, dir, what string) {
	t.Helper()
	command := exec.Command(os.Args[0], role, dir, what)
	command.SysProcAttr = attributes
	out, err := command.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Skipf("%s: not permitted here: %v", role, err)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// ownMounts lets a process mount without anybody noticing.
func ownMounts() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

func TestLock_ExcludesAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	lock := newLock(t, dir)
	other := start(t, nil, asGate, dir, "other")
	other.says(t, "held")

	obs := read(t, lock)
	if obs.Record.HolderIdentity != "other" {
		t.Fatalf("%+v", obs)
	}
	refuses(t, lock, obs, heldBy("me"))
	refuses(t, lock, obs, released())

	w := watch(t, lock)
	if _, err := io.WriteString(other.input, "release\n"); err != nil {
		t.Fatal(err)
	}
	other.says(t, "released")
	write(t, lock, w.await(t, isReleased), heldBy("me"))
}

func TestLock_IsTakenAtOnceWhenItsHolderIsKilled(t *testing.T) {
	dir := t.TempDir()
	lock := newLock(t, dir)
	holder := start(t, nil, asGate, dir, "other")
	holder.says(t, "held")
	w := watch(t, lock)
	held := w.await(t, names("other"))

	holder.kill()
	gone := w.await(t, isReleased)
	if gone.Revision <= held.Revision || gone.Spec == held.Spec {
		t.Errorf("gone is no change: revision %d after %d, spec %q after %q", gone.Revision, held.Revision, gone.Spec, held.Spec)
	}
	if mine := write(t, lock, gone, heldBy("me")); mine.Revision <= gone.Revision {
		t.Errorf("revision %d after %d", mine.Revision, gone.Revision)
	}
}

func TestLock_IsNotTakenWhileADescendantOfAKilledHolderLives(t *testing.T) {
	dir := t.TempDir()
	lock := newLock(t, dir)
	life, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = end.Close() }()
	holder := start(t, life, asParent, dir, "other")
	_ = life.Close()
	holder.says(t, "held")
	w := watch(t, lock)

	holder.kill()
	obs := read(t, lock)
	if obs.Record.HolderIdentity != "other" {
		t.Fatalf("shown as %+v while a descendant lives", obs.Record)
	}
	refuses(t, lock, obs, heldBy("me"))
	refuses(t, newLock(t, dir), obs, heldBy("me"))
	refuses(t, lock, obs, released())

	_ = end.Close()
	write(t, lock, w.await(t, isReleased), heldBy("me"))
}

func TestLock_KeepsOutWhoeverWouldFollowARecordThatWasReleasedTooEarly(t *testing.T) {
	dir := t.TempDir()
	lock := newLock(t, dir)
	life, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = end.Close() }()
	holder := start(t, life, asParent, dir, "other")
	_ = life.Close()
	holder.says(t, "held")
	if _, err := io.WriteString(holder.input, "release\n"); err != nil {
		t.Fatal(err)
	}
	holder.says(t, "released")
	holder.kill()
	refuses(t, lock, read(t, lock), heldBy("me"))
}

// The same identity again: a proposal of an heir looks like this too, and takes
// no flock.
func TestLock_IsTakenBackInTheSameNameOnlyWithTheFlock(t *testing.T) {
	dir := t.TempDir()
	holder := start(t, nil, asGate, dir, "same")
	holder.says(t, "held")
	before := newLock(t, dir)
	held := read(t, before)
	holder.kill()

	gone := read(t, before)
	again := held.Record // not even the times differ
	write(t, before, gone, again)
	if before.tenancy == nil {
		t.Fatal("acquired without a flock")
	}
	refuses(t, newLock(t, dir), read(t, newLock(t, dir)), heldBy("other"))
}

func TestLock_SurvivesAWriterThatIsKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	lock := newLock(t, dir)
	w := watch(t, lock)
	w.next(t)
	var last uint64
	for i := range 20 {
		writer := start(t, nil, asRenewer, dir, "writer")
		for range 1 + i { // where it is by now is anybody's guess
			last = w.await(t, func(obs elector.Observation) bool {
				return obs.Record.HolderIdentity == "writer" && obs.Revision > last
			}).Revision
		}
		writer.kill()

		raw, err := os.ReadFile(lock.path + recordEnding)
		if err != nil {
			t.Fatal(err)
		}
		if doc, err := decode(raw); err != nil || doc.HolderIdentity != "writer" || doc.Revision < last {
			t.Fatalf("after %d: %+v, %v, in %q", last, doc, err, raw)
		}
		obs := acquire(t, lock, "me")
		if obs.Revision <= last {
			t.Fatalf("revision %d after %d", obs.Revision, last)
		}
		last = write(t, lock, obs, released()).Revision
	}
}

func TestLock_IsFreeAfterAnAcquirerDiedBetweenFlockAndRecord(t *testing.T) {
	dir := t.TempDir()
	lock := newLock(t, dir)
	acquirer := start(t, nil, asLocker, dir, "other")
	acquirer.says(t, "held")
	refuses(t, lock, read(t, lock), heldBy("me"))
	acquirer.kill()
	acquire(t, lock, "me")
}

func TestLock_PutsAsideWhatAKilledWriterLeft(t *testing.T) {
	dir := t.TempDir()
	lock := newLock(t, dir)
	if err := os.WriteFile(lock.path+newEnding, []byte(`{"holderIdentity":"ha`), 0); err != nil {
		t.Fatal(err)
	}
	acquire(t, lock, "me")
	if _, err := os.Stat(lock.path + newEnding); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestLock_KeepsTheRecordWhenTheDiskIsFull(t *testing.T) {
	run(t, ownMounts(), asFullDisk, t.TempDir())
}

func fullDisk(dir, identity string) error {
	if err := mountTiny(dir); err != nil {
		return err
	}
	lock, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	held, err := acquireAlone(lock, identity)
	if err != nil {
		return err
	}
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		return err
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	ctx := context.Background()
	if _, err := lock.Write(ctx, held, heldBy(identity)); !errors.Is(err, unix.ENOSPC) || errors.Is(err, elector.ErrConflict) || errors.Is(err, elector.ErrForbidden) {
		return fmt.Errorf("renewed on a full disk: %w", err)
	}
	if lock.tenancy == nil {
		return errors.New("a failed renewal gave up the flock")
	}
	obs, err := lock.Read(ctx)
	if err != nil || obs.Revision != held.Revision || obs.Record.HolderIdentity != identity {
		return fmt.Errorf("the record is now %+v, %w", obs, err)
	}
	if _, err := os.Stat(lock.path + newEnding); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the failed write left its file: %w", err)
	}
	// A release cannot be written either. That the flock is free says it.
	if _, err := lock.Write(ctx, held, released()); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("released on a full disk: %w", err)
	}
	other, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	if obs, err = other.Read(ctx); err != nil || !isReleased(obs) {
		return fmt.Errorf("after the release %+v, %w", obs, err)
	}
	if _, err := other.Write(ctx, obs, heldBy("other")); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("acquired on a full disk: %w", err)
	}
	if other.tenancy != nil {
		return errors.New("a failed acquire kept the flock")
	}
	if err := filler.Truncate(0); err != nil {
		return err
	}
	_, err = other.Write(ctx, obs, heldBy("other"))
	return err
}

func TestLock_SaysWhatIsWrongWithAReadOnlyFileSystem(t *testing.T) {
	run(t, ownMounts(), asReadOnly, t.TempDir())
}

func readOnly(dir, identity string) error {
	if err := mountTiny(dir); err != nil {
		return err
	}
	lock, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	ctx := context.Background()
	absent, err := lock.Read(ctx)
	if err != nil {
		return err
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	if _, err := lock.Write(ctx, absent, heldBy(identity)); !errors.Is(err, elector.ErrForbidden) || !strings.Contains(err.Error(), dir) {
		return fmt.Errorf("acquired on a read-only file system: %w", err)
	}
	_, err = New(dir, "prod", "db")
	return wantRemedy(err, dir, unix.EROFS)
}

func mountTiny(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}

// wantRemedy checks that err names the directory, the cause and what to do.
func wantRemedy(err error, dir string, cause error) error {
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "LOCK_DIR") {
		return fmt.Errorf("does not help: %w", err)
	}
	return nil
}

func TestLock_SaysWhatIsWrongForAUserWhoMayNotWrite(t *testing.T) {
	for _, role := range []string{asForeigner, asRefusedDir} {
		if os.Geteuid() != 0 && role == asForeigner {
			t.Log("not tested: a lock whose rights are lost in use; it needs root")
			continue
		}
		// Others may go there, not write.
		dir := t.TempDir()
		for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o711, dir: 0o555} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		run(t, nil, role, dir)
	}
}

func becomeNobody() error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	return syscall.Setuid(unprivileged)
}

func foreigner(dir, identity string) error {
	lock, err := New(dir, "prod", "db")
	if err != nil {
		return err
	}
	held, err := acquireAlone(lock, identity)
	if err != nil {
		return err
	}
	if err := becomeNobody(); err != nil {
		return err
	}
	ctx := context.Background()
	_, write := lock.Write(ctx, held, heldBy(identity))
	_, read := lock.Read(ctx)
	watch := lock.Watch(ctx, func(elector.Observation) {})
	for operation, err := range map[string]error{"write": write, "read": read, "watch": watch} {
		if !errors.Is(err, elector.ErrForbidden) || !strings.Contains(err.Error(), dir) {
			return fmt.Errorf("%s by another user: %w", operation, err)
		}
	}
	return nil
}

func refusedDir(dir, _ string) error {
	if err := becomeNobody(); err != nil {
		return err
	}
	_, err := New(dir, "prod", "db")
	return wantRemedy(err, dir, unix.EACCES)
}
