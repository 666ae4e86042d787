package stage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Process is one of a container.
type Process struct {
	// PID and Parent are process ids here, Inner is that in the container.
	PID, Parent, Inner int
	// Name is what it was called by whoever started it (argv[0]).
	Name string
}

// Processes are those in the container's PID namespace at this moment, which has
// to be its own; none where it has ended.
func (c *Container) Processes() []Process {
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.PID()))
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || its != namespace {
			continue // another's, or gone meanwhile
		}
		if p, err := readProcess(pid); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func readProcess(pid int) (p Process, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, err
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return p, err
	}
	p.PID = pid
	p.Name, _, _ = strings.Cut(string(command), "\x00")
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		numbers := strings.Fields(value)
		switch key {
		case "PPid":
			p.Parent, err = strconv.Atoi(numbers[0])
		case "NSpid":
			p.Inner, err = strconv.Atoi(numbers[len(numbers)-1])
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}
