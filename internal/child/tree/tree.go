//go:build linux

// Package tree finds the processes that descend from the gate, and kills them one
// by one. It is what the gate's own sweep (internal/child) and its guard
// (internal/guard) look through.
//
// Guaranteed: no signal reaches a stranger that was given the pid of a process
// that was found. Not guaranteed: that a list is of one moment; whoever wants to
// be rid of all of them looks until it finds none.
package tree

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is one process as /proc shows it (proc_pid_stat(5)).
type Entry struct {
	PID, Parent int
	Comm        string
	State       byte
	Threads     int
	// Start is in clock ticks since boot. With the pid it names a process.
	Start uint64
}

// Dead reports whether nothing of it runs: a zombie holds nothing open, and its
// parent has only to reap it. One that has more threads than itself is a leader that has ended
// before its threads, and lives on in them.
func (e Entry) Dead() bool {
	return (e.State == 'Z' || e.State == 'X') && e.Threads <= 1
}

// parseStat reads the text of /proc/PID/stat.
func parseStat(text string) (Entry, error) {
	// The name in parentheses may hold anything, parentheses and blanks too.
	open, last := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || last < open {
		return Entry{}, errors.New("no process name in parentheses")
	}
	e := Entry{Comm: text[open+1 : last]}
	var errs [4]error
	e.PID, errs[0] = strconv.Atoi(strings.TrimSpace(text[:open]))
	number := 3 // as proc_pid_stat(5) counts the fields
	for field := range strings.FieldsSeq(text[last+1:]) {
		switch number {
		case 3:
			e.State = field[0]
		case 4:
			e.Parent, errs[1] = strconv.Atoi(field)
		case 20:
			e.Threads, errs[2] = strconv.Atoi(field)
		case 22:
			e.Start, errs[3] = strconv.ParseUint(field, 10, 64)
			if e.PID < 1 { // to kill(2) a group, or everybody
				return Entry{}, errors.New("no number of a process")
			}
			return e, errors.Join(errs[:]...)
		}
		number++
	}
	return Entry{}, fmt.Errorf("only %d fields", number-1)
}

// Read reads one process. It does so by three system calls, as there may be
// thousands of processes and little time.
func Read(pid int) (Entry, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Entry{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var text [1024]byte // more than all that is read of it can take
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return Entry{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return parseStat(string(text[:n]))
}

// Descendants lists the living descendants of the process root, parents before
// children. The list is not of one moment: who is being forked meanwhile can be
// missing.
func Descendants(root int) ([]Entry, error) {
	if !ownProc(os.Getpid()) {
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
	var all []Entry
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// One that cannot be read has gone, or hidepid hides it.
		if e, err := Read(pid); err == nil {
			all = append(all, e)
		}
	}
	return below(root, all), nil
}

// below picks the living descendants of root from a list of processes, parents
// before children. Dead ones still link their children to root: the list may be
// from a moment before they were handed to us.
func below(root int, all []Entry) []Entry {
	children := make(map[int][]Entry)
	queue := []Entry{}
	for _, e := range all {
		if e.PID == root {
			queue = append(queue, e)
		} else {
			children[e.Parent] = append(children[e.Parent], e)
		}
	}
	for i := 0; i < len(queue); i++ {
		for _, e := range children[queue[i].PID] {
			// No process is older than its parent. One that seems to be has
			// met the next owner of its former parent's pid.
			if e.Start >= queue[i].Start {
				queue = append(queue, e)
			}
		}
		delete(children, queue[i].PID)
	}
	return slices.DeleteFunc(queue, func(e Entry) bool { return e.PID == root || e.Dead() })
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

// UID tells the real uid of a process, for messages; "unknown" if it has gone.
func UID(pid int) string {
	uids := strings.Fields(Status(pid, "Uid"))
	if len(uids) == 0 {
		return "unknown"
	}
	return uids[0]
}

// Status reads one line of /proc/PID/status; empty if there is none.
func Status(pid int, key string) string {
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
