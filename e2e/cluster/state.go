package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir is where everything of the cluster is kept. There is one cluster on a
// machine: its addresses, its control groups and its link have fixed names.
const Dir = "/var/lib/k8s-await-election/cluster"

// SharedDir is one directory that every node has under this path, as those of a
// network file system have it: what a Pod writes there, Pods of the other node
// see. It goes with the cluster.
const SharedDir = "/var/lib/k8s-await-election-shared"

const (
	control   = "control"
	nodeCount = 2
)

func nodeName(number int) string { return fmt.Sprintf("node-%d", number) }

// state is what Down and Attach need to know. Every entry is written before the
// thing it names is made, and so may name something that never was.
type state struct {
	// BootID tells whether the machine was started anew since.
	BootID string `json:"bootID"`
	// Ready is set when Up has seen the cluster work.
	Ready bool `json:"ready"`
	// Kubernetes is the version, as the API server prints it.
	Kubernetes string `json:"kubernetes"`
	// Programs are the paths of what the cluster runs, by name.
	Programs map[string]string `json:"programs"`
	// IPv6 tells whether the cluster has both families.
	IPv6 bool `json:"ipv6"`
	// Machines are the first processes of the machines, by the machine's name.
	// A machine does nothing before it is noted here.
	Machines map[string]process `json:"machines"`
	// Sysctls are the kernel settings that a kubelet changes, as they were.
	Sysctls map[string]string `json:"sysctls"`
}

func stateFile(dir string) string { return filepath.Join(dir, "state.json") }

// load reads the state of a cluster; fs.ErrNotExist says that there is none.
func load(dir string) (*state, error) {
	text, err := os.ReadFile(stateFile(dir))
	if err != nil {
		return nil, fmt.Errorf("read the cluster's state: %w", err)
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read the cluster's state: %s: %w", stateFile(dir), err)
	}
	return s, nil
}

// save replaces the state file: whoever is killed meanwhile leaves the old or
// the new one.
func (s *state) save(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the cluster's state: %w", err)
	}
	next := stateFile(dir) + ".next"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the cluster's state: %w", err)
	}
	if err := os.Rename(next, stateFile(dir)); err != nil {
		return fmt.Errorf("write the cluster's state: %w", err)
	}
	return nil
}

// running tells whether the cluster was ready once and all its machines live.
func (s *state) running() bool {
	if !s.Ready || len(s.Machines) != nodeCount+1 {
		return false
	}
	for _, machine := range s.Machines {
		if !s.alive(machine) {
			return false
		}
	}
	return true
}

// alive tells whether the process is the one that was noted.
func (s *state) alive(p process) bool { return s.BootID == bootID() && p.alive() }

func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // there is none without /proc: nothing is alive then
	return strings.TrimSpace(string(text))
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
