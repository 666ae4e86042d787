//go:build linux

package tree

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// stat is a line of /proc/PID/stat.
func stat(pid int, comm string, state byte, parent, threads int, start uint64) string {
	return fmt.Sprintf("%d (%s) %c %d 7 7 0 -1 4194304 102 0 1 0 0 0 0 0 20 0 %d 0 %d 3133440 416 1844674407\n",
		pid, comm, state, parent, threads, start)
}

func TestParseStat_ReadsNamesWithBlanksAndParentheses(t *testing.T) {
	t.Parallel()
	for _, comm := range []string{"redis-server", "a b", "a) R 1 (b", ")", "", "((", "line\nbreak"} {
		got, err := parseStat(stat(12, comm, 'S', 3, 4, 567))
		want := Entry{PID: 12, Parent: 3, Comm: comm, State: 'S', Threads: 4, Start: 567}
		if err != nil || got != want {
			t.Errorf("parseStat with name %q = %+v, %v, want %+v", comm, got, err, want)
		}
	}
}

func TestParseStat_RefusesWhatIsNoStat(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "12", "12 (sh", "12 )sh( S", "12 (sh) S 1", strings.Replace(stat(1, "sh", 'S', 2, 1, 3), " 2 7", " x 7", 1)} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("parseStat(%q) = %+v, want an error", text, got)
		}
	}
}

func TestRead_ReadsThisProcess(t *testing.T) {
	t.Parallel()
	e, err := Read(os.Getpid())
	if err != nil || e.PID != os.Getpid() || e.Parent != os.Getppid() || e.Threads < 2 || e.Dead() {
		t.Errorf("own entry %+v, %v", e, err)
	}
}

func TestBelow_ListsLivingDescendantsParentsFirst(t *testing.T) {
	t.Parallel()
	process := func(pid, parent int, state byte, threads int, start uint64) Entry {
		return Entry{PID: pid, Parent: parent, State: state, Threads: threads, Start: start}
	}
	all := []Entry{
		process(40, 30, 'S', 1, 70), // a grandchild listed before its parents
		process(1, 0, 'S', 1, 1),
		process(10, 1, 'S', 9, 50), // the root
		process(11, 1, 'S', 1, 60), // its sibling
		process(12, 11, 'S', 1, 61),
		process(20, 10, 'Z', 1, 60), // dead, but its child is not
		process(21, 20, 'S', 1, 61),
		process(30, 10, 'Z', 2, 60), // a leader that lives on in a thread
		process(50, 10, 'S', 1, 40), // older than its Parent: not its parent
		process(60, 61, 'S', 1, 99), // a circle, from two moments
		process(61, 60, 'S', 1, 99),
		process(70, 0, 'S', 1, 99), // put into the namespace from outside
	}
	var pids []int
	for _, e := range below(10, all) {
		pids = append(pids, e.PID)
	}
	if len(pids) != 3 || pids[2] != 40 && pids[2] != 21 || slices.Index(pids, 30) > slices.Index(pids, 40) {
		t.Fatalf("below = %v, want 30 before 40", pids)
	}
	slices.Sort(pids)
	if want := []int{21, 30, 40}; !slices.Equal(pids, want) {
		t.Errorf("below = %v, want %v", pids, want)
	}
}

func TestBelow_OfAProcessThatIsNotListedIsEmpty(t *testing.T) {
	t.Parallel()
	if got := below(10, []Entry{{PID: 11, Parent: 10, State: 'S'}}); len(got) != 0 {
		t.Errorf("below = %+v", got)
	}
}

func TestIsStatusOf_RefusesTheProcOfAnotherPIDNamespace(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"Name:\tgate\nPid:\t7\nNSpid:\t7\n":      true,
		"Name:\tgate\nPid:\t7\n":                 true, // a kernel that does not tell
		"Name:\tgate\nPid:\t93\nNSpid:\t93\t7\n": false,
		"Name:\tgate\nPid:\t7\nNSpid:\t7\t7\n":   false, // by chance the same in both
		"":                                       false,
	} {
		if got := isStatusOf(7, status); got != want {
			t.Errorf("isStatusOf(7, %q) = %v, want %v", status, got, want)
		}
	}
}
