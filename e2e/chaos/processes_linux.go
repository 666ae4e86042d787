package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

func toGate(s syscall.Signal) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		for _, r := range h.replicas {
			if h.other {
				r.uid++ // its next container is one of a new Pod of the same name
			}
			r.container.Signal(s)
		}
		return nil, nil
	}
}

func stopGate(h hit) (func() error, error) {
	return h.stop(func() []int { return []int{h.replicas[0].container.PID()} })
}

// stop stops the processes of a replica that list names, the gate first, but not
// within a read or write of a lock on files: that would hold up all the others.
func (h hit) stop(list func() []int) (resume func() error, err error) {
	for range tries {
		pids := list()
		if len(pids) == 0 {
			break
		}
		if resume, err = stop(pids...); err != nil || h.fleet.store != files {
			return resume, err
		}
		awaitStill(pids[0])
		inside, err := h.fleet.inside(pids[0])
		if err == nil && !inside {
			return resume, nil
		}
		_ = resume()
		if err != nil {
			return nil, err
		}
		time.Sleep(tick)
	}
	return nil, errNobody
}

// tries is how often anything is tried that succeeds nearly always.
const tries = 20

// awaitStill returns when all threads of a process that was told to stop have done so,
// or have had long enough for that.
func awaitStill(pid int) {
	for range tries {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if !slices.ContainsFunc(stats, runs) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// runs tells whether the thread with this stat file does anything but stand still or end.
func runs(stat string) bool {
	text, err := os.ReadFile(stat)
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte(" "))
	return !bytes.ContainsAny(state[:min(1, len(state))], "TXZ")
}

// process finds one that the leader's gate has started.
func (h hit) process(is func(stage.Process) bool) (pid int, err error) {
	if l, _ := h.fleet.leader(); l == nil || l != h.replicas[0] {
		return 0, errNobody
	}
	c := h.replicas[0].container
	for _, p := range c.Processes() {
		if p.Parent == c.PID() && is(p) {
			return p.PID, nil
		}
	}
	return 0, errNobody
}

// command is the one that notes that it runs.
func (h hit) command() (pid int, err error) {
	_, run := h.fleet.leader()
	return h.process(func(p stage.Process) bool { return p.Inner == run.PID })
}

// guard is the process that kills the command when its gate does not.
func (h hit) guard() (pid int, err error) { return h.process(isGuard) }

func isGuard(p stage.Process) bool { return p.Name == "k8s-await-election: guard" }

func toCommand(s syscall.Signal) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		pid, err := h.command()
		if err != nil {
			return nil, err
		}
		return nil, gone(syscall.Kill(pid, s))
	}
}

// toGuard ends the guard. The fault lasts until there is another, or no command:
// until then the gate must not be stopped.
func toGuard(s syscall.Signal) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		old, err := h.guard()
		if err != nil {
			return nil, err
		}
		c := h.replicas[0].container
		return func() error {
			for range patience / lookAround {
				others := 0
				for _, p := range c.Processes() {
					if p.Parent == c.PID() && p.PID != old {
						if others++; isGuard(p) {
							return nil
						}
					}
				}
				if others == 0 {
					return nil
				}
				time.Sleep(lookAround)
			}
			return errors.New("no other guard stands")
		}, gone(syscall.Kill(old, s))
	}
}

func stopCommand(h hit) (func() error, error) {
	pid, err := h.command()
	if err != nil {
		return nil, err
	}
	return stop(pid)
}

func stopGuard(h hit) (func() error, error) {
	pid, err := h.guard()
	if err != nil {
		return nil, err
	}
	return stop(pid)
}

// freeze stops all that is in the container, the gate first.
func freeze(h hit) (func() error, error) {
	return h.stop(func() (pids []int) {
		for _, p := range h.replicas[0].container.Processes() {
			if p.Inner == 1 {
				pids = append([]int{p.PID}, pids...)
			} else {
				pids = append(pids, p.PID)
			}
		}
		return pids
	})
}

// stop stops all of them, or none.
func stop(pids ...int) (resume func() error, err error) {
	for _, pid := range pids {
		err = errors.Join(err, gone(syscall.Kill(pid, syscall.SIGSTOP)))
	}
	resume = func() error {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		return nil
	}
	if err != nil {
		_ = resume()
		return nil, err
	}
	return resume, nil
}

func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return errNobody
	}
	return err
}
