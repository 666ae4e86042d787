package cluster

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseMount_FindsControlGroupsOfBothVersions(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]hierarchy{
		"31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct": {
			path: "/sys/fs/cgroup/cpu,cpuacct", controllers: []string{"rw", "cpu", "cpuacct"},
		},
		"24 23 0:21 / /sys/fs/cgroup rw,nosuid,nodev shared:4 master:2 - cgroup2 cgroup2 rw,nsdelegate": {
			path: "/sys/fs/cgroup", version2: true,
		},
	} {
		got, ok := parseMount(line)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot %+v, %v, want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{
		"23 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
		"",
	} {
		if got, ok := parseMount(line); ok {
			t.Errorf("%q is taken for %+v", line, got)
		}
	}
}

func TestRemoveTree_RemovesDirectoriesAndStopsAtFiles(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "root")
	if err := os.MkdirAll(filepath.Join(root, "node", "pods", "pod"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "node", "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(root); err == nil {
		t.Error("a directory with a file was removed")
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is gone is no error
		if err := removeTree(root); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(root); !isAbsent(err) {
		t.Errorf("the root is there: %v", err)
	}
}
