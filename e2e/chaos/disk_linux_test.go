package chaos

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFleet_TellsWhoIsWithinAReadOrWrite(t *testing.T) {
	t.Parallel()
	f := &fleet{locks: t.TempDir()}
	mutex, err := os.Create(filepath.Join(f.locks, "default_shop.mutex"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mutex.Close() }()
	for _, row := range []struct {
		how, pid int
		want     bool
	}{
		{unix.LOCK_SH, os.Getpid(), true},
		{unix.LOCK_EX, os.Getpid(), true},
		{unix.LOCK_EX, os.Getppid(), false},
		{unix.LOCK_UN, os.Getpid(), false},
	} {
		if err := unix.Flock(int(mutex.Fd()), row.how); err != nil {
			t.Fatal(err)
		}
		if got, err := f.inside(row.pid); got != row.want || err != nil {
			t.Errorf("flock %d, pid %d: inside %t, %v", row.how, row.pid, got, err)
		}
	}
}
