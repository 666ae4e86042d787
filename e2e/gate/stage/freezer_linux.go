package stage

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Freezer is a control group that can be frozen, as a container is by its engine:
// its processes stand still and cannot even be killed, while clocks go on.
type Freezer struct {
	t     *testing.T
	group string
	// file is what is written to, told where the kernel says that all stand still.
	file, freeze, thaw string
	told, frozen       string
}

// NewFreezer makes one with nobody in it. It skips the test by its name where that
// is not permitted. When the test ends whoever is frozen goes on.
func NewFreezer(t *testing.T) *Freezer {
	t.Helper()
	NeedRoot(t)
	f := &Freezer{t: t}
	hierarchy, unified := "/sys/fs/cgroup", true
	if _, err := os.Stat(filepath.Join(hierarchy, "cgroup.controllers")); err != nil {
		hierarchy, unified = filepath.Join(hierarchy, "freezer"), false
	}
	var err error
	if f.group, err = os.MkdirTemp(hierarchy, "k8s-await-election-"); err != nil { //nolint:usetesting // a control group
		t.Skipf("%s needs a control group of its own: %v", t.Name(), err)
	}
	if unified {
		f.file, f.freeze, f.thaw = f.path("cgroup.freeze"), "1", "0"
		f.told, f.frozen = f.path("cgroup.events"), "frozen 1"
	} else {
		f.file, f.freeze, f.thaw = f.path("freezer.state"), "FROZEN", "THAWED"
		f.told, f.frozen = f.file, "FROZEN"
	}
	t.Cleanup(func() {
		f.Thaw()
		// Those who are in it are killed with the stage, as a rule already.
		for _, pid := range strings.Fields(read(f.path("cgroup.procs"))) {
			_ = os.WriteFile(filepath.Join(filepath.Dir(f.group), "cgroup.procs"), []byte(pid), 0)
		}
		if err := os.Remove(f.group); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *Freezer) path(name string) string { return filepath.Join(f.group, name) }

// Freeze has the processes stand still, and returns when they do. What they have
// started before is to be among them.
func (f *Freezer) Freeze(pids ...int) {
	f.t.Helper()
	for _, pid := range pids {
		f.write(f.path("cgroup.procs"), strconv.Itoa(pid))
	}
	f.write(f.file, f.freeze)
	for !slices.Contains(strings.Split(read(f.told), "\n"), f.frozen) {
		if f.t.Context().Err() != nil {
			f.t.Fatal("it does not freeze")
		}
	}
}

// Thaw lets them go on.
func (f *Freezer) Thaw() {
	f.t.Helper()
	f.write(f.file, f.thaw)
}

func (f *Freezer) write(file, text string) {
	f.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0); err != nil {
		f.t.Fatal(err)
	}
}
