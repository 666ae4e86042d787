//go:build linux

package child

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// entry is one process as /proc shows it (proc_pid_stat(5)).
type entry struct {
	pid, parent int
	comm        string
	state       byte
	threads     int
	// start is in clock ticks since boot. With the pid it names a process.
	start uint64
}

// dead: a zombie runs nothing and holds nothing open; its parent has only to
// reap it. One that has more threads than itself is a leader that has ended
// before its threads, and lives on in them.
func (e entry) dead() bool {
	return (e.state == 'Z' || e.state == 'X') && e.threads <= 1
}

// parseStat reads the text of /proc/PID/stat.
func parseStat(text string) (entry, error) {
	// The name in parentheses may hold anything, parentheses and blanks too.
	open, last := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || last < open {
		return entry{}, errors.New("no process name in parentheses")
	}
	fields := strings.Fields(text[last+1:]) // from the third on: state, ppid, …
	if len(fields) < 20 {
		return entry{}, fmt.Errorf("only %d fields after the name", len(fields))
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(text[:open]))
	parent, err2 := strconv.Atoi(fields[1])
	threads, err3 := strconv.Atoi(fields[17])
	start, err4 := strconv.ParseUint(fields[19], 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return entry{}, err
	}
	return entry{
		pid: pid, parent: parent, comm: text[open+1 : last],
		state: fields[0][0], threads: threads, start: start,
	}, nil
}

// readEntry reads one process.
func readEntry(pid int) (entry, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return entry{}, err
	}
	return parseStat(string(text))
}

// descendants lists the living descendants of the process self, parents before
// children. The list is not of one moment: who is being forked meanwhile can be
// missing.
func descendants(self int) ([]entry, error) {
	if !ownProc(self) {
		return nil, errors.New("/proc is not mounted, or shows another PID namespace")
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if errClose := dir.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// One that cannot be read has gone, or hidepid hides it.
		if e, err := readEntry(pid); err == nil {
			all = append(all, e)
		}
	}
	return below(self, all), nil
}

// below picks the living descendants of root from a list of processes, parents
// before children. Dead ones still link their children to root: the list may be
// from a moment before they were handed to us.
func below(root int, all []entry) []entry {
	children := make(map[int][]entry)
	queue := []entry{}
	for _, e := range all {
		if e.pid == root {
			queue = append(queue, e)
		} else {
			children[e.parent] = append(children[e.parent], e)
		}
	}
	for i := 0; i < len(queue); i++ {
		for _, e := range children[queue[i].pid] {
			// No process is older than its parent. One that seems to be has
			// met the next owner of its former parent's pid.
			if e.start >= queue[i].start {
				queue = append(queue, e)
			}
		}
		delete(children, queue[i].pid)
	}
	return slices.DeleteFunc(queue, func(e entry) bool { return e.pid == root || e.dead() })
}

// ownProc reports whether /proc shows our own PID namespace: the pids of any
// other would mean other processes to kill(2).
func ownProc(self int) bool {
	status, err := os.ReadFile("/proc/self/status")
	return err == nil && isStatusOf(self, string(status))
}

// isStatusOf reports whether the text of /proc/self/status is about the process
// self as seen from its own PID namespace.
func isStatusOf(self int, status string) bool {
	if pid, ok := statusLine(status, "Pid"); !ok || pid != strconv.Itoa(self) {
		return false
	}
	// One pid per PID namespace from the mount's down to ours; not every kernel
	// tells.
	pids, ok := statusLine(status, "NSpid")
	return !ok || len(strings.Fields(pids)) == 1
}

// uidOf tells the real uid of a process, for messages; "unknown" if it has gone.
func uidOf(pid int) string {
	uids := strings.Fields(statusField(pid, "Uid"))
	if len(uids) == 0 {
		return "unknown"
	}
	return uids[0]
}

// statusField reads one line of /proc/PID/status; empty if there is none.
func statusField(pid int, key string) string {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return ""
	}
	value, _ := statusLine(string(status), key)
	return value
}

// statusLine finds a line of a /proc/PID/status.
func statusLine(status, key string) (string, bool) {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, key+":"); found {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}
