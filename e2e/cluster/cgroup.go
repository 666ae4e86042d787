package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// groupRoot is the control group of the cluster. Below it each machine has
// <machine>/system for its own processes, and a node's kubelet makes the groups
// of its Pods beside that: what is done to <machine> is done to both, and with
// version 2 a group that has groups must not have processes.
const groupRoot = "k8s-await-election"

func machineGroup(machine string) string { return filepath.Join(groupRoot, machine) }

// hierarchy is a mounted tree of control groups. A machine with version 1 has
// many, each with its controllers; one with version 2 has one.
type hierarchy struct {
	path        string
	version2    bool
	controllers []string
}

// hierarchies are those of this machine.
func hierarchies() ([]hierarchy, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	defer func() { _ = file.Close() }()
	var all []hierarchy
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if h, ok := parseMount(lines.Text()); ok {
			all = append(all, h)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("find control groups: none are mounted: mount cgroup2 on /sys/fs/cgroup")
	}
	return all, nil
}

// parseMount reads a line of mountinfo: fields up to " - ", then the type, the
// source, and the options of the file system, where version 1 names its
// controllers.
func parseMount(line string) (hierarchy, bool) {
	before, after, _ := strings.Cut(line, " - ")
	mount, filesystem := strings.Fields(before), strings.Fields(after)
	if len(mount) < 5 || len(filesystem) < 3 {
		return hierarchy{}, false
	}
	switch filesystem[0] {
	case "cgroup":
		return hierarchy{path: mount[4], controllers: strings.Split(filesystem[2], ",")}, true
	case "cgroup2":
		return hierarchy{path: mount[4], version2: true}, true
	}
	return hierarchy{}, false
}

func (h hierarchy) has(controller string) bool { return slices.Contains(h.controllers, controller) }

// makeGroups makes the group of a machine and its `system` in every hierarchy,
// and returns the files into which a process writes 0 to be in it.
func makeGroups(machine string) ([]string, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	// Where both versions are mounted, version 1 has the controllers.
	mixed := slices.ContainsFunc(all, func(h hierarchy) bool { return !h.version2 })
	var joins []string
	for _, h := range all {
		if h.version2 && mixed {
			continue
		}
		group := h.path
		for part := range strings.SplitSeq(filepath.Join(machineGroup(machine), "system"), "/") {
			if h.version2 {
				if err := delegate(group); err != nil {
					return nil, fmt.Errorf("make control group of %s: %w", machine, err)
				}
			}
			parent := group
			group = filepath.Join(group, part)
			if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, fmt.Errorf("make control group of %s: %w", machine, err)
			}
			if h.has("cpuset") {
				if err := inheritCPUs(parent, group); err != nil {
					return nil, fmt.Errorf("make control group of %s: %w", machine, err)
				}
			}
		}
		joins = append(joins, filepath.Join(group, "cgroup.procs"))
	}
	return joins, nil
}

// delegate lets the groups below use all controllers that this group has.
func delegate(group string) error {
	text, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for controller := range strings.FieldsSeq(string(text)) {
		// One at a time: controllers that cannot be had (cpu where there are
		// realtime processes) do not keep the others away.
		err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
		if err != nil && slices.Contains([]string{"cpu", "cpuset", "memory", "pids"}, controller) {
			return fmt.Errorf("delegate %s (the kubelet needs it; a container's root group cannot do this): %w", controller, err)
		}
	}
	return nil
}

// inheritCPUs copies what a new group of version 1 lacks; no process can enter
// it before.
func inheritCPUs(parent, group string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		text, err := os.ReadFile(filepath.Join(parent, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(group, name), text, 0); err != nil {
			return err
		}
	}
	return nil
}

// removeGroups removes the groups of the cluster, of which no process is left,
// from every hierarchy, also those that others have made below.
func removeGroups(ctx context.Context, _ *state) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		// A group may be busy for a moment after its last process has gone.
		err := Poll(ctx, 20*time.Millisecond, func() error { return removeTree(filepath.Join(h.path, groupRoot)) })
		if err != nil {
			return fmt.Errorf("remove control groups: %w", err)
		}
	}
	return nil
}

// removeTree removes directories, the lowest first, and no file: control groups
// have files that cannot be removed.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !isAbsent(err) {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// freezer is where the processes of a machine are frozen, and how.
type freezer struct {
	file, freeze, thaw string
	// told says where, and with which line, the kernel tells that all are frozen.
	told, frozen string
}

func findFreezer(machine string) (freezer, error) {
	all, err := hierarchies()
	if err != nil {
		return freezer{}, err
	}
	for _, h := range all {
		group := filepath.Join(h.path, machineGroup(machine))
		if h.has("freezer") {
			state := filepath.Join(group, "freezer.state")
			return freezer{file: state, freeze: "FROZEN", thaw: "THAWED", told: state, frozen: "FROZEN"}, nil
		}
		if _, err := os.Stat(filepath.Join(group, "cgroup.freeze")); err == nil {
			return freezer{
				file: filepath.Join(group, "cgroup.freeze"), freeze: "1", thaw: "0",
				told: filepath.Join(group, "cgroup.events"), frozen: "frozen 1",
			}, nil
		}
	}
	return freezer{}, fmt.Errorf("the kernel has no freezer, or the machine no control group: %w", fs.ErrNotExist)
}

// freeze returns when nothing of the machine runs any more.
func freeze(ctx context.Context, machine string) error {
	f, err := findFreezer(machine)
	if err != nil {
		return fmt.Errorf("freeze %s: %w", machine, err)
	}
	if err := os.WriteFile(f.file, []byte(f.freeze), 0); err != nil {
		return fmt.Errorf("freeze %s: %w", machine, err)
	}
	err = Poll(ctx, 5*time.Millisecond, func() error {
		text, err := os.ReadFile(f.told)
		if err != nil {
			return err
		}
		if !slices.Contains(strings.Split(string(text), "\n"), f.frozen) {
			return errors.New("some of its processes still run")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("freeze %s: %w", machine, err)
	}
	return nil
}

// thaw lets a machine go on. For one that is not frozen, or that has no group,
// it does nothing.
func thaw(machine string) error {
	f, err := findFreezer(machine)
	if err == nil {
		err = os.WriteFile(f.file, []byte(f.thaw), 0)
	}
	if err != nil && !isAbsent(err) {
		return fmt.Errorf("thaw %s: %w", machine, err)
	}
	return nil
}
