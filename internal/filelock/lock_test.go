package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

func TestNew_MakesTheDirectoryForThisUserAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	lock := newLock(t, dir)
	acquire(t, lock, "a")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
}

func TestNew_GivesTheFilesToThoseWhoMayWriteTheDirectory(t *testing.T) {
	t.Parallel()
	for directory, file := range map[os.FileMode]os.FileMode{
		0o700: 0o600,
		0o755: 0o600, // who may list it may not lock in it
		0o770: 0o660,
		0o777: 0o666,
	} {
		dir := t.TempDir()
		if err := os.Chmod(dir, directory); err != nil {
			t.Fatal(err)
		}
		acquire(t, newLock(t, dir), "a")
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 3 {
			t.Fatalf("%v %v", entries, err)
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err != nil || info.Mode().Perm() != file {
				t.Errorf("%s in a directory %v: %v %v", entry.Name(), directory, info.Mode(), err)
			}
		}
	}
}

func TestNew_RefusesWhatIsNoDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", file, filepath.Join(file, "below")} {
		_, err := New(dir, "prod", "db")
		if err == nil || !strings.Contains(err.Error(), "LOCK_DIR must name a directory") && dir != "" || !strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

func TestNetworkFileSystem_IsRefusedByItsMagic(t *testing.T) {
	t.Parallel()
	smb2 := uint32(0xfe534d42)
	for _, row := range []struct {
		name  string
		magic int64
		want  string
	}{
		{"nfs", 0x6969, "NFS"},
		{"smb", 0x517b, "SMB"},
		{"cifs", 0xff534d42, "SMB"},
		{"smb2", 0xfe534d42, "SMB"},
		{"smb2 with its sign extended", int64(int32(smb2)), "SMB"},
		{"afs", 0x5346414f, "AFS"},
		{"kafs", 0x6b414653, "AFS"},
		{"ceph", 0x00c36400, "CephFS"},
		{"coda", 0x73757245, "Coda"},
		{"ncp", 0x564c, "NCP"},
		{"ext4", 0xef53, ""},
		{"xfs", 0x58465342, ""},
		{"btrfs", 0x9123683e, ""},
		{"tmpfs", 0x01021994, ""},
		{"overlay", 0x794c7630, ""},
		{"fuse", 0x65735546, "FUSE"},
		{"9p", 0x01021997, "9p"},
	} {
		if name, refused := networkFileSystem(row.magic); name != row.want || refused != (row.want != "") {
			t.Errorf("%s: %q, refused %t", row.name, name, refused)
		}
	}
}

func TestFileName_IsAPlainNameOfItsOwnForAnyText(t *testing.T) {
	t.Parallel()
	if got := fileName("prod", "my-app.v1"); got != "prod_my-app.v1" {
		t.Errorf("names of Kubernetes are changed: %q", got)
	}
	long := strings.Repeat("x", 300)
	texts := [][2]string{
		{"", ""}, {"a", ""}, {"", "a"}, {"a_b", "c"}, {"a", "b_c"}, {"a/b", "c"}, {"a", "/b/c"}, {"..", ".."}, {".", "."},
		{".hidden", "a"}, {"a\x00", "b"}, {"a", "\x00b"}, {"ä", "ö"}, {"a%5F", "b"}, {"%", "%"}, {"a b", "\n"},
		{long, "a"}, {long, "b"}, {"a", long}, {long + "_", long}, {long, "_" + long}, {strings.Repeat("ä", 100), "a"},
	}
	seen := map[string][2]string{}
	for _, text := range texts {
		name := fileName(text[0], text[1])
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both called %s", text, other, name)
		}
		seen[name] = text
		if strings.ContainsAny(name, "/\x00\n ") || strings.HasPrefix(name, ".") || len(name)+len(newEnding) > unix.NAME_MAX || name != fileName(text[0], text[1]) {
			t.Errorf("%q is called %q", text, name)
		}
		lock, err := New(t.TempDir(), text[0], text[1])
		if err != nil {
			t.Fatal(err)
		}
		acquire(t, lock, "a")
		lock.vacate()
	}
}

func TestLock_OfAnotherNameIsAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := newLock(t, dir)
	two, err := New(dir, "prod", "db2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(two.vacate)
	acquire(t, one, "a")
	acquire(t, two, "a")
	if one.String() == two.String() || !strings.HasSuffix(one.String(), "/prod_db.lock") {
		t.Errorf("called %s and %s", one, two)
	}
}

func TestLock_GivesUpWaitingForAProcessThatIsFrozenInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock := newLock(t, dir)
	held := acquire(t, lock, "a")
	frozen, err := take(lock.path+mutexEnding, unix.O_RDONLY, lock.mode, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	reason := errors.New("no answer")
	ctx, cancel := context.WithCancelCause(t.Context())
	results := make(chan error)
	go func() { _, err := lock.Read(ctx); results <- err }()
	go func() { _, err := lock.Write(ctx, held, heldBy("a")); results <- err }()
	cancel(reason)
	for range 2 {
		if err := <-results; !errors.Is(err, reason) {
			t.Errorf("%v", err)
		}
	}
	frozen.unlock()
	write(t, lock, held, heldBy("a"))
}

func TestLock_KeepsItsFlockForDescendantsAndNothingElse(t *testing.T) {
	t.Parallel()
	lock := newLock(t, t.TempDir())
	acquire(t, lock, "a")
	flags, err := unix.FcntlInt(uintptr(lock.tenancy.fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	mutex, err := lock.mutex(t.Context(), unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	defer mutex.unlock()
	flags, err = unix.FcntlInt(uintptr(mutex.fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descendants would inherit the mutex: flags %#x, %v", flags, err)
	}
}

func TestLock_CountsOnWhenTheWallClockIsBehind(t *testing.T) {
	t.Parallel()
	lock := newLock(t, t.TempDir())
	future := uint64(time.Now().Add(1000 * time.Hour).UnixNano())
	doc := document{fields: fields{Revision: future}}
	raw, err := doc.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock.path+recordEnding, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	acquire(t, lock, "a")
	if obs := read(t, newLock(t, lock.dir)); obs.Revision != future+1 {
		t.Errorf("revision %d after %d", obs.Revision, future)
	}
}

func TestRecord_TakesDurationsThatMakeNoSenseForTheNearestThatDo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"-1": 0, "0": 0, "1": time.Second, "9223372036854775807": 9223372036 * time.Second,
	} {
		doc, err := decode([]byte(`{"holderIdentity":"a","leaseDurationSeconds":` + text + `}`))
		if got := doc.record().LeaseDuration; err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if again := doc.with(doc.record()).record(); again.LeaseDuration != want {
			t.Errorf("%s: written again as %v", text, again.LeaseDuration)
		}
	}
}

func TestWatch_DeliversTheStateOnceWhereInotifyHasNoInstanceLeft(t *testing.T) {
	t.Parallel()
	lock := newLock(t, t.TempDir())
	acquire(t, lock, "a")
	gone := &Lock{dir: filepath.Join(lock.dir, "no such directory"), path: lock.path, mode: lock.mode, turn: make(chan struct{}, 1)}
	var seen []elector.Observation
	err := gone.Watch(t.Context(), func(obs elector.Observation) { seen = append(seen, obs) })
	if err == nil || len(seen) != 1 || seen[0].Record.HolderIdentity != "a" {
		t.Errorf("%v, %+v", err, seen)
	}
}

// A last close whose event comes too early, or not at all.
func TestWatch_FindsAFreeFlockWithoutAnEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder := newLock(t, dir)
	w := watch(t, newLock(t, dir))
	for range 2 {
		acquire(t, holder, "a")
		w.await(t, names("a"))
		open := holder.tenancy
		t.Cleanup(open.close) // a close would be an event
		holder.tenancy = nil
		if err := unix.Flock(open.fd, unix.LOCK_UN); err != nil {
			t.Fatal(err)
		}
		w.await(t, isReleased)
	}
}

func TestTake_ReturnsAFileThatHasItsNameAlsoWhereItIsDeletedAllTheTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	done := make(chan error)
	const takers = 4
	for range takers {
		go func() {
			for taken := 0; taken < 200; {
				file, err := take(path, unix.O_RDONLY, 0o600, unix.LOCK_EX)
				if errors.Is(err, errBusy) {
					continue
				}
				if err != nil {
					done <- err
					return
				}
				taken++
				if !file.is(path) {
					done <- errors.New("taken under a name that is another file's")
					return
				}
				err = os.Remove(path)
				file.unlock()
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range takers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A process that was forked and has not called exec has a share in everything.
func TestUnlock_FreesTheFlockAlsoForWhoHasAShareInIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	file, err := take(path, unix.O_RDONLY, 0o600, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	share, err := unix.Dup(file.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(share) }()
	file.unlock()
	again, err := take(path, unix.O_RDONLY, 0o600, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	again.unlock()
}
