//go:build linux

package tree

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// A command chooses its name, and with it nothing of what else is read of it:
// the sweep would take it for somebody else's process, for dead, or for older
// than its parent.
func FuzzParseStat_TakesNothingFromTheNameThatACommandChose(f *testing.F) {
	for _, name := range []string{"redis-server", "a) Z 1 7 7 0 -1", "x\nPid:\t1", "x\\nUid:\t0", ")", "(", "", " ", "\xff\x00"} {
		f.Add(name, byte('S'), int32(12), int32(3), int32(4), uint64(567))
	}
	f.Add("kworker/u16:3-events_unbound_with_a_very_long_name_of_its_work_q", byte('I'), int32(1<<22), int32(2), int32(1), uint64(1<<63))
	f.Fuzz(func(t *testing.T, name string, state byte, pid, parent, threads int32, start uint64) {
		if state < 'A' || state > 'z' || state > 'Z' && state < 'a' || pid < 1 {
			return // the kernel's own: a letter, and a number of a process
		}
		want := Entry{PID: int(pid), Parent: int(parent), Comm: name, State: state, Threads: int(threads), Start: start}
		text := stat(want.PID, name, state, want.Parent, want.Threads, start)
		if got, err := parseStat(text); err != nil || got != want {
			t.Errorf("%q is read as %+v, %v, want %+v", text, got, err, want)
		}
		// In /proc/PID/status the kernel escapes line ends and backslashes of it.
		escaped := strings.NewReplacer("\n", `\n`, `\`, `\\`).Replace(name)
		status := fmt.Sprintf("Name:\t%s\nUmask:\t0022\nPid:\t%d\nUid:\t%d\t0\t0\t0\nNSpid:\t%d\n", escaped, pid, threads, pid)
		if !isStatusOf(want.PID, status) {
			t.Errorf("%q is not taken for that of process %d", status, pid)
		}
		if uid, _ := statusLine(status, "Uid"); uid != strconv.Itoa(want.Threads)+"\t0\t0\t0" {
			t.Errorf("the uids of %q are read as %q", status, uid)
		}
	})
}

// Whatever else a sandbox shows under the name of stat, what is accepted says so
// itself.
func FuzzParseStat_AcceptsOnlyWhatNamesAProcess(f *testing.F) {
	for _, text := range []string{"", "12", "12 (sh", "12 )sh( S", "12 (sh) S 1", stat(12, "sh", 'S', 3, 4, 567), stat(0, "sh", 'S', 3, 4, 567), stat(-1, "sh", 'S', 3, 4, 567)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseStat(text)
		if err != nil {
			return
		}
		if got.PID < 1 {
			t.Errorf("%q is read as %+v: signals to that pid reach a group, or everybody", text, got)
		}
		if got.State >= 0x80 {
			return // no letter, and not written as one
		}
		again, err := parseStat(stat(got.PID, got.Comm, got.State, got.Parent, got.Threads, got.Start))
		if err != nil || again != got {
			t.Errorf("%q is read as %+v, and that as %+v, %v", text, got, again, err)
		}
	})
}
