//go:build linux

package guard

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/child/tree"
)

// Pauses between two rounds. They double from the first to the last while a round
// finds nobody new, and are longer where a round is expensive.
const (
	firstPause = time.Millisecond
	lastPause  = 16 * time.Millisecond
	// thrift is the part of one processor that is spent at most, once nobody new is
	// found: one in so many.
	thrift = 20
)

// fire kills whatever the gate has started, over and over, until the gate ends: it
// returns then. Nothing calls it off. A gate that goes on finds its command dead,
// sweeps up, and ends its guard too.
func (p *post) fire() error {
	told := false
	met := map[int]bool{}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began := boottime()
		fresh := false
		if p.gate == 1 {
			p.killNamespace()
		} else {
			met, fresh = p.killTree(met)
		}
		if !told { // now, and in the background: who reads stderr may not
			told = true
			late := began - time.Duration(p.page.until.Load())
			go fmt.Fprintf(os.Stderr, "k8s-await-election: guard: killing all that the gate (pid %d) has started, as it should have done %v ago\n", p.gate, late)
		}
		took := boottime() - began
		if fresh {
			pause, took = firstPause, 0
		}
		ended, err := p.sleep(max(pause, min(thrift*took, time.Second)))
		if ended || err != nil {
			return err
		}
	}
}

// killNamespace kills every process of the PID namespace but process 1, which is
// the gate, and ourselves (kill(2)). Nobody slips through by forking: the kernel
// adds no process while it goes over all of them, and a fork under way fails in a
// parent that has been killed.
func (p *post) killNamespace() {
	if os.Getppid() != 1 || p.gate != 1 {
		return // anywhere else it would be the death of the machine
	}
	_ = unix.Kill(-1, unix.SIGKILL)
}

// killTree kills the descendants of the gate but ourselves, once. It returns them,
// and whether there is one that was not met before.
func (p *post) killTree(met map[int]bool) (now map[int]bool, fresh bool) {
	now = make(map[int]bool)
	command := int(p.page.command.Load())
	ours, err := tree.GroupsOf(p.gate, command)
	if err != nil {
		return now, false // the gate has ended
	}
	// First what takes no search: one may be long, as nobody buries the dead.
	if e, err := tree.Read(command); err == nil && e.Parent == p.gate {
		_ = tree.KillGroup(e, p.gate, ours)
	}
	living, err := tree.Descendants(p.gate)
	if err != nil {
		return now, false // no /proc: nobody can be found
	}
	for _, e := range living {
		if e.PID == p.self {
			continue
		}
		now[e.PID] = true
		fresh = fresh || !met[e.PID]
		// Whoever may not be killed is met again in the next round.
		_ = tree.KillGroup(e, p.gate, ours)
	}
	return now, fresh
}
