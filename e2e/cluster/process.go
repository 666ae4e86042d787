package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a process that cannot be mistaken for a later one of its number.
type process struct {
	PID int `json:"pid"`
	// Started is the start time, in clock ticks since the kernel's own.
	Started uint64 `json:"started"`
}

// find notes a process that lives.
func find(pid int) (process, error) {
	stat, err := readStat(pid)
	if err != nil {
		return process{}, err
	}
	return process{PID: pid, Started: stat.started}, nil
}

// alive is false for a zombie too: all that it had is gone.
func (p process) alive() bool {
	stat, err := readStat(p.PID)
	return err == nil && stat.started == p.Started && stat.state != "Z" && stat.state != "X"
}

// signal sends a signal to this process, never to a later one of its number.
func (p process) signal(sig syscall.Signal) error {
	handle, err := os.FindProcess(p.PID) // holds on to the process, where the kernel can (5.3)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Release() }()
	if !p.alive() {
		return os.ErrProcessDone
	}
	return handle.Signal(sig)
}

// kill ends the process and waits until it is gone. One that is gone already is
// no error.
func (p process) kill(ctx context.Context) error {
	if err := p.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	err := Poll(ctx, 10*time.Millisecond, func() error {
		if p.alive() {
			return errors.New("it is still there")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	return nil
}

// stat is the part of /proc/PID/stat that is used here.
type stat struct {
	state   string
	parent  int
	started uint64
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

// parseStat knows that the name of a process may contain anything, spaces and
// parentheses too.
func parseStat(text string) (stat, error) {
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("process state %q has too few fields", text)
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return stat{}, fmt.Errorf("process state: parent: %w", err)
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("process state: start time: %w", err)
	}
	return stat{state: fields[0], parent: parent, started: started}, nil
}

// child finds the process of this program that the parent has started.
func child(parent process, program string) (p process, found bool, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return process{}, false, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := readStat(pid)
		if err != nil || stat.parent != parent.PID {
			continue
		}
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && exe == program {
			return process{PID: pid, Started: stat.started}, true, nil
		}
	}
	return process{}, false, nil
}
