package statusfile

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func always() bool { return true }

// content is what is in a file; «none» where there is none.
func content(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if errors.Is(err, os.ErrNotExist) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	return found
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDirectory_IsMadeAndSaysFollowerThenLeaderThenFollower(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "here")
	f := directory(dir)
	must(t, f.prepare("pod-a"))
	if got := names(t, dir); !slices.Equal(got, []string{"follower"}) || content(t, dir, "follower") != "pod-a" {
		t.Errorf("standing by: %q", got)
	}
	must(t, f.raise("pod-a", always))
	if got := names(t, dir); !slices.Equal(got, []string{"leader"}) || content(t, dir, "leader") != "pod-a" {
		t.Errorf("leading: %q", got)
	}
	must(t, f.lower())
	must(t, f.follow("pod-a"))
	if got := names(t, dir); !slices.Equal(got, []string{"follower"}) {
		t.Errorf("standing by again: %q", got)
	}
}

func TestFile_IsThereExactlyWhileLeading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := file(filepath.Join(dir, "status"))
	must(t, f.prepare("pod-a"))
	if got := names(t, dir); got != nil {
		t.Errorf("standing by: %q", got)
	}
	must(t, f.raise("pod-a", always))
	if got := names(t, dir); !slices.Equal(got, []string{"status"}) {
		t.Errorf("leading: %q", got)
	}
	must(t, f.lower())
	must(t, f.lower()) // what is gone is gone
	must(t, f.follow("pod-a"))
	if got := names(t, dir); got != nil {
		t.Errorf("standing by again: %q", got)
	}
}

func TestPrepare_RemovesWhatAKilledContainerHasLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "leader"), "pod-a")
	write(t, filepath.Join(dir, ".leader.new"), "po")
	must(t, directory(dir).prepare("pod-a"))
	if got := names(t, dir); !slices.Equal(got, []string{"follower"}) {
		t.Errorf("left: %q", got)
	}
}

// Not in parallel: the umask is the process's.
func TestFiles_CanBeReadByAllWhateverTheUmask(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir()
	f := directory(dir)
	must(t, f.follow("pod-a"))
	must(t, f.in(func(folder int) error {
		must(t, f.write(folder, "leader", "pod-a"))
		return f.show(folder, "leader")
	}))
	for _, name := range []string{"leader", "follower"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode() != 0o644 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
	}
}

func TestRaise_AsksWhenNothingIsLeftToDoButTheRename(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := directory(dir)
	must(t, f.prepare("pod-a"))
	asked := 0
	err := f.raise("pod-a", func() bool {
		asked++
		if got := content(t, dir, ".leader.new"); got != "pod-a" {
			t.Errorf("asked when %q was written", got)
		}
		if got := names(t, dir); !slices.Equal(got, []string{".leader.new"}) {
			t.Errorf("asked when there was %q", got)
		}
		return false
	})
	if !errors.Is(err, errLate) || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	if got := names(t, dir); got != nil {
		t.Errorf("a claim that may not be made leaves %q", got)
	}
}

func TestFiles_FollowNoSymbolicLink(t *testing.T) {
	t.Parallel()
	for _, planted := range []string{"leader", "follower", ".leader.new", ".follower.new"} {
		t.Run(planted, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			victim := filepath.Join(t.TempDir(), "victim")
			write(t, victim, "precious")
			f := directory(dir)
			plant := func() {
				_ = os.Remove(filepath.Join(dir, planted))
				must(t, os.Symlink(victim, filepath.Join(dir, planted)))
			}
			plant()
			must(t, f.prepare("pod-a"))
			plant()
			must(t, f.raise("pod-a", always))
			plant()
			must(t, f.lower())
			must(t, f.follow("pod-a"))
			info, err := os.Stat(victim)
			must(t, err)
			if got := content(t, victim); got != "precious" || info.Mode() != 0o600 {
				t.Errorf("the victim is %q, %v", got, info.Mode())
			}
		})
	}
}

func TestDirectory_ThatIsASymbolicLinkIsRefused(t *testing.T) {
	t.Parallel()
	target, link := t.TempDir(), filepath.Join(t.TempDir(), "status")
	must(t, os.Symlink(target, link))
	err := directory(link).prepare("pod-a")
	if err == nil || !strings.Contains(err.Error(), link) || !strings.Contains(err.Error(), "no symbolic link") {
		t.Errorf("got %v", err)
	}
	if got := names(t, target); got != nil {
		t.Errorf("written through the link: %q", got)
	}
}

func TestPrepare_NamesThePathAndARemedy(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		files func(dir string) files
		want  []string
	}{
		"a directory in the place of the leader file": {
			func(dir string) files {
				must(t, os.Mkdir(filepath.Join(dir, "leader"), 0o755))
				return directory(dir)
			},
			[]string{"former container", "/leader: ", "remove it"},
		},
		"a directory in the place of the file": {
			file,
			[]string{"former container", "name a file in it"},
		},
		"no directory for the file": {
			func(dir string) files { return file(filepath.Join(dir, "none", "status")) },
			[]string{"/none: ", "emptyDir"},
		},
		"a file in the place of the directory": {
			func(dir string) files {
				write(t, filepath.Join(dir, "status"), "")
				return directory(filepath.Join(dir, "status"))
			},
			[]string{"/status: ", "must be a directory"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := row.files(t.TempDir()).prepare("pod-a")
			for _, want := range row.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

func TestShown_TellsOfTheLeaderFileAlone(t *testing.T) {
	t.Parallel()
	f := directory(t.TempDir())
	must(t, f.prepare("pod-a"))
	if f.shown() {
		t.Error("a follower's")
	}
	must(t, f.raise("pod-a", always))
	if !f.shown() {
		t.Error("not a leader's")
	}
}

func TestTouch_SetsTheTimeAndMissesAFileThatIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := directory(dir)
	for name, touch := range map[string]func() error{"leader": f.touch, "follower": func() error { return f.follow("pod-a") }} {
		path := filepath.Join(dir, name)
		write(t, path, "pod-a")
		old := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(path, old, old))
		must(t, touch())
		info, err := os.Stat(path)
		must(t, err)
		if info.ModTime().Sub(old) < time.Hour/2 {
			t.Errorf("%s: touched at %v", name, info.ModTime())
		}
		must(t, os.Remove(path))
	}
	if err := f.touch(); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("without a file: %v", err)
	}
}

// A reader that follows every change by inotify(7) never counts both.
func TestDirectory_NeverHasBothFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := directory(dir)
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	must(t, err)
	defer func() { _ = unix.Close(fd) }()
	_, err = unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO)
	must(t, err)
	const rounds = 20
	must(t, f.prepare("pod-a"))
	for range rounds {
		must(t, f.raise("pod-a", always))
		must(t, f.raise("pod-a again", always))
		must(t, f.lower())
		must(t, f.follow("pod-a"))
	}
	there, shown := map[string]bool{}, 0
	buffer := make([]byte, 1<<20)
	n, err := unix.Read(fd, buffer)
	must(t, err)
	for rest := buffer[:n]; len(rest) > 0; {
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
		mask := binary.NativeEndian.Uint32(rest[4:])
		name := strings.TrimRight(string(rest[unix.SizeofInotifyEvent:size]), "\x00")
		there[name] = mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0
		if there["leader"] && there["follower"] {
			t.Fatal("there are both")
		}
		if name == "leader" && there[name] {
			shown++
		}
		rest = rest[size:]
	}
	if shown != 2*rounds {
		t.Errorf("the leader file was shown %d times, want %d", shown, 2*rounds)
	}
}
