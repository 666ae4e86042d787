package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// hostPID finds the process that is number pid in the PID namespace whose
// process 1 is init here.
func hostPID(init, pid int) (int, error) {
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		candidate, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if in, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", candidate)); err != nil || in != namespace {
			continue // another namespace, or gone meanwhile
		}
		numbers, err := statusField(candidate, "NSpid")
		if err != nil {
			continue
		}
		if inner := strings.Fields(numbers); len(inner) > 0 && inner[len(inner)-1] == strconv.Itoa(pid) {
			return candidate, nil
		}
	}
	return 0, fmt.Errorf("find process %d of %s: not there", pid, namespace)
}

// memory is the resident memory of a process, and the part of it that is
// anonymous (proc_pid_status(5)), in bytes.
func memory(pid int) (resident, anonymous float64, err error) {
	for _, field := range []struct {
		name  string
		value *float64
	}{{"VmRSS", &resident}, {"RssAnon", &anonymous}} {
		text, err := statusField(pid, field.name)
		if err != nil {
			return 0, 0, err
		}
		kibibytes, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read %s of process %d: %w", field.name, pid, err)
		}
		*field.value = kibibytes * 1024
	}
	return resident, anonymous, nil
}

// cpuTime is what a process has used, with those of its threads that have ended.
func cpuTime(pid int) (time.Duration, error) {
	// The clock of another process, as clock_getcpuclockid(3) makes its number.
	const scheduled = 2 // CPUCLOCK_SCHED
	var t syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|scheduled), uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, errno)
	}
	return time.Duration(t.Nano()), nil
}

// statusField is one line of /proc/PID/status.
func statusField(pid int, name string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && key == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("read %s of process %d: no such field", name, pid)
}
