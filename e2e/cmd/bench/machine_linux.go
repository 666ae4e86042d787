package main

import (
	"bufio"
	"os"
	"runtime"
	"strings"

	"k8s.io/client-go/discovery"
)

// Machine says where the figures come from, and names nobody's machine.
type Machine struct {
	Cores      int    `json:"cores"`
	CPU        string `json:"cpu"`
	Memory     string `json:"memory"`
	Kernel     string `json:"kernel"`
	Arch       string `json:"arch"`
	Go         string `json:"go"`
	Kubernetes string `json:"kubernetes"`
}

func describeMachine(server discovery.ServerVersionInterface) (Machine, error) {
	version, err := server.ServerVersion()
	if err != nil {
		return Machine{}, err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return Machine{}, err
	}
	return Machine{
		Cores:      runtime.NumCPU(),
		CPU:        firstField("/proc/cpuinfo", "model name"),
		Memory:     firstField("/proc/meminfo", "MemTotal"),
		Kernel:     strings.TrimSpace(string(kernel)),
		Arch:       runtime.GOARCH,
		Go:         runtime.Version(),
		Kubernetes: version.GitVersion,
	}, nil
}

// firstField is the value of the first line «name: value»; not every processor
// has a name.
func firstField(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
