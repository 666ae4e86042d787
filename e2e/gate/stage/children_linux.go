package stage

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Child is a process that the gate has started itself.
type Child struct {
	// PID is the process's here, Inner that in the gate's own PID namespace.
	PID, Inner int
	// Name is what the kernel calls it: the first 15 bytes of the program's.
	Name string
}

// Children are the processes whose parent is the gate, at this moment; none
// where it has ended.
func (c *Container) Children() []Child {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var children []Child
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // gone meanwhile
		}
		fields := map[string]string{}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			fields[key] = strings.TrimSpace(value)
		}
		if fields["PPid"] != strconv.Itoa(c.PID()) || strings.HasPrefix(fields["State"], "Z") {
			continue
		}
		numbers := strings.Fields(fields["NSpid"])
		inner, err := strconv.Atoi(numbers[len(numbers)-1])
		if err != nil {
			continue
		}
		children = append(children, Child{PID: pid, Inner: inner, Name: fields["Name"]})
	}
	slices.SortFunc(children, func(a, b Child) int { return a.PID - b.PID })
	return children
}
