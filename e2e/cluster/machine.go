package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// MachineCommand is the argument, followed by a file name, with which Up starts
// its own program again as the first process of a machine. That program calls
// RunMachine.
const MachineCommand = "machine"

// machine says what a machine is made of.
type machine struct {
	// Name is also the host name.
	Name string `json:"name"`
	// Dir has the directories that become the machine's /var/lib and /var/log,
	// those with the components' logs, and `stopped`: while it has a file of a
	// component's name, that component is not started again.
	Dir string `json:"dir"`
	// Env is the environment of the components.
	Env []string `json:"env"`
	// Joins are the files through which the control groups are entered.
	Joins []string `json:"joins"`
	// Shared is the directory that becomes SharedDir; empty: there is none.
	Shared string `json:"shared,omitempty"`
	// Sysctls are set on the machine's network, those that exist.
	Sysctls    map[string]string `json:"sysctls"`
	Components []component       `json:"components"`
}

// component is a program that a machine keeps running.
type component struct {
	Name    string   `json:"name"`
	Command []string `json:"command"`
	// After is a file that must exist before the component is started.
	After string `json:"after,omitempty"`
}

func (m *machine) lib() string     { return filepath.Join(m.Dir, "lib") }
func (m *machine) log() string     { return filepath.Join(m.Dir, "log") }
func (m *machine) stopped() string { return filepath.Join(m.Dir, "stopped") }

// sharedMount is where Shared is mounted, so that it is in the machine's /var/lib.
func (m *machine) sharedMount() string { return filepath.Join(m.lib(), filepath.Base(SharedDir)) }

// share gives the machine the cluster's shared directory.
func (m *machine) share(dir string) error {
	m.Shared = filepath.Join(dir, "shared")
	for _, path := range []string{m.Shared, m.sharedMount()} {
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // Pods look into it
			return fmt.Errorf("share a directory with %s: %w", m.Name, err)
		}
	}
	// As /tmp is: for Pods of any user.
	if err := os.Chmod(m.Shared, 0o777|os.ModeSticky); err != nil {
		return fmt.Errorf("share a directory with %s: %w", m.Name, err)
	}
	return nil
}

// Logs has a file for each component of each machine.
func logsDir(dir string) string { return filepath.Join(dir, "logs") }

func (m *machine) logFile(name string) string {
	return filepath.Join(logsDir(filepath.Dir(m.Dir)), m.Name, name+".log")
}

// newMachine makes the directories of a machine.
func newMachine(dir, name string) (*machine, error) {
	m := &machine{Name: name, Dir: filepath.Join(dir, name), Sysctls: map[string]string{
		"net/ipv4/ip_forward":                 "1",
		"net/ipv6/conf/all/disable_ipv6":      "0",
		"net/ipv6/conf/default/disable_ipv6":  "0",
		"net/ipv6/conf/all/forwarding":        "1",
		"net/bridge/bridge-nf-call-iptables":  "0", // what the bridge carries is not this machine's
		"net/bridge/bridge-nf-call-ip6tables": "0",
	}}
	for _, path := range []string{m.lib(), m.log(), m.stopped(), filepath.Dir(m.logFile(""))} {
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // as on any machine: Pods of any user look into some of it
			return nil, fmt.Errorf("make %s: %w", name, err)
		}
	}
	return m, nil
}

// boot starts the first process of the machine, notes it, and leaves it waiting:
// with begin it goes on; if this process ends before, it ends.
func (m *machine) boot(dir string, s *state) (begin func() error, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start %s: %w", m.Name, err)
		}
	}()
	m.Env = s.environment()
	if m.Joins, err = makeGroups(m.Name); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(m.Dir, "machine.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	wait, begins, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = wait.Close()
		if err != nil {
			_ = begins.Close()
		}
	}()
	log, err := os.OpenFile(m.logFile("machine"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, MachineCommand, file)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.ExtraFiles = []*os.File{wait}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // Ctrl-C is not for the machines
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = cmd.Wait() }() // else it stays a zombie for as long as Up runs
	if s.Machines[m.Name], err = find(cmd.Process.Pid); err != nil {
		return nil, err
	}
	if err := s.save(dir); err != nil {
		return nil, err
	}
	return func() error {
		if _, err := begins.Write([]byte{1}); err != nil {
			return fmt.Errorf("start %s: %w", m.Name, err)
		}
		return begins.Close()
	}, nil
}
