package gate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// guardName is what a guard is called.
const guardName = "k8s-await-election: guard"

// unruly is a command that starts what is hard to be rid of, and then becomes the
// actor: a chain of processes each of which forks the next and ends, and a shell
// that puts one after the other into a session of its own. The chain would end by
// itself in half a minute, and says so.
const unruly = `hop='[ $1 -gt 0 ] || { echo survived; exit; }; sh -c "$0" "$0" $(($1 - 1)) &'
	sh -c "$hop" "$hop" 30000 &
	sh -c 'trap "" TERM; while :; do setsid sleep 100 & sleep 0.05; done' &
	exec "$0" "$@"`

// unrulyPod is the Pod of a gate with that command, whose actor bears besides a
// descendant that TERM does not end, and does not end on TERM itself.
func unrulyPod(s *stage.Stage, name string) stage.Pod {
	return stage.Pod{Name: name, Command: []string{
		"/bin/sh", "-c", unruly, programs.Actor, "-file", s.Record, "-name", name, "-bear", "-on", "TERM=say",
	}}
}

// guardLease is the lease of the gates here.
const guardLease = 6 * time.Second

// guardStage is a stage whose gates keep their leases on a machine that is busy, and
// on which what a guard is for can be waited for.
func guardStage(t *testing.T) *stage.Stage {
	t.Helper()
	s := newStage(t)
	s.Env["LEASE_DURATION"], s.Env["RENEW_DEADLINE"] = guardLease.String(), "4"
	return s
}

// inBothPlaces runs a test for a gate that is process 1 and for one that is not.
func inBothPlaces(t *testing.T, test func(t *testing.T, notInit bool)) {
	for name, notInit := range map[string]bool{"as PID 1": false, "not as PID 1": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !notInit {
				stage.NeedRoot(t)
			}
			test(t, notInit)
		})
	}
}

func TestGuard_KillsAllThatAStoppedGateHasStarted(t *testing.T) {
	t.Parallel()
	inBothPlaces(t, func(t *testing.T, notInit bool) {
		s := guardStage(t)
		pod := unrulyPod(s, "a")
		pod.NotInit = notInit
		a := s.Start(pod)
		s.AwaitLine(a, `msg="command started"`)
		s.AwaitOutput(a, "a: started")
		s.Await("the command's descendants", func() bool { return len(offspring(s, a)) > 10 })
		b := s.Start(stage.Pod{Name: "b"})
		s.AwaitStandby(b)

		stopped := stop(t, s, a)
		s.AwaitLeader(b)
		for _, pid := range offspring(s, a) {
			t.Errorf("the next command runs, and of the one before there lives %q, state %s", procfile(pid, "cmdline"), stateOf(pid))
		}
		if strings.Contains(a.Output(), "survived") {
			t.Error("the chain of processes has come to its own end")
		}
		if got := stateOf(a.PID()); got != "T" {
			t.Errorf("the gate's state is %s: it was not stopped, so this test tests nothing", got)
		}
		tell(t, s, stopped)

		leads := s.Lease()
		a.Signal(syscall.SIGCONT)
		if got := s.AwaitExit(a); got != 75 {
			t.Errorf("the gate that goes on ends with status %d, want 75", got)
		}
		if lease := s.Lease(); *lease.Spec.HolderIdentity != "b" || *lease.Spec.LeaseTransitions != *leads.Spec.LeaseTransitions {
			t.Errorf("the lease is %v, it was %v: whoever was stopped has touched that of another", lease.Spec, leads.Spec)
		}
		if code, body := b.Get("/leader"); code != 200 {
			t.Errorf("the next one's /leader answers %d: %s", code, body)
		}
	})
}

// A container that is frozen for longer than its lease. Nobody else competes, as
// its command may run on for an instant after the thaw.
func TestGuard_KillsTheCommandOfAFrozenContainerAtTheThaw(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"with the gate": false, "in place of the gate": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := guardStage(t)
			freezer := stage.NewFreezer(t)
			a := s.Start(stage.Pod{Name: "a", Command: []string{
				programs.Actor, "-file", s.Record, "-name", "a", "-bear", "-on", "TERM=say",
			}})
			s.AwaitLeader(a)
			s.AwaitOutput(a, "a's descendant: started")
			freezer.Freeze(append(offspring(s, a), a.PID(), awaitGuard(s, a))...)
			frozen := boottime(t)
			if stopped {
				a.Signal(syscall.SIGSTOP) // which it obeys as soon as it is thawed
			}
			s.Await("the lease has run out", func() bool { return boottime(t)-frozen > guardLease })

			thawed := boottime(t)
			freezer.Thaw()
			s.Await("the command's death", func() bool { return len(offspring(s, a)) == 0 })
			for _, r := range s.Runs() {
				t.Logf("%s: last sign of life %v after the thaw", r.Name, r.Last-thawed)
			}
			if stopped {
				s.AwaitLine(a, "guard: killing all") // nobody else could
			}
			a.Signal(syscall.SIGCONT)
			if got := s.AwaitExit(a); got != 75 {
				t.Errorf("the gate's exit status is %d, want 75", got)
			}
		})
	}
}

func TestGuard_IsReplacedAtOnceWhenItIsKilled(t *testing.T) {
	t.Parallel()
	inBothPlaces(t, func(t *testing.T, notInit bool) {
		s := guardStage(t)
		a := s.Start(stage.Pod{Name: "a", NotInit: notInit})
		s.AwaitLeader(a)
		first := awaitGuard(s, a)
		b := s.Start(stage.Pod{Name: "b"})
		s.AwaitStandby(b)

		if err := unix.Kill(first, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.AwaitLine(a, `msg="the command's guard had ended, another stands"`)
		if second := awaitGuard(s, a); second == first {
			t.Fatal("the guard was not killed: this test tests nothing")
		}
		stop(t, s, a)
		s.AwaitLeader(b)
		a.Signal(syscall.SIGCONT)
		if got := s.AwaitExit(a); got != 75 {
			t.Errorf("the gate that goes on ends with status %d, want 75", got)
		}
	})
}

func TestGuard_ThatCannotBeReplacedEndsTheCommandInGoodOrder(t *testing.T) {
	t.Parallel()
	s := guardStage(t)
	a := s.Start(stage.Pod{Name: "a"})
	s.AwaitLeader(a)
	guard := awaitGuard(s, a)
	b := s.Start(stage.Pod{Name: "b"})
	s.AwaitStandby(b)

	// A process is not to be had without descriptors.
	var limit unix.Rlimit
	if err := unix.Prlimit(a.PID(), unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(a.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Max: limit.Max}, nil); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(guard, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := s.AwaitExit(a); got != 75 {
		t.Errorf("the gate's exit status is %d, want 75", got)
	}
	s.AwaitOutput(a, "a: got terminated")
	s.AwaitLine(a, "msg=released")
	s.AwaitLine(a, "msg=ended", "the command has no guard", "too many open files")
	s.AwaitLeader(b)
}

func TestGuard_IsThereForACommandOnlyAndEndsWithItsGate(t *testing.T) {
	t.Parallel()
	inBothPlaces(t, func(t *testing.T, notInit bool) {
		s := guardStage(t)
		s.LongLeases()
		a := s.Start(stage.Pod{Name: "a", NotInit: notInit})
		s.AwaitLeader(a)
		guard := awaitGuard(s, a)
		b := s.Start(stage.Pod{Name: "b", NotInit: notInit})
		s.AwaitStandby(b)
		if all := guards(b); len(all) > 0 {
			t.Errorf("a standby has guards: %v", all)
		}
		process, err := unix.PidfdOpen(guard, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Close(process) }()
		a.Signal(syscall.SIGKILL)
		s.Await("the guard's end", func() bool {
			poll := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}
			n, err := unix.Poll(poll, 0)
			return err == nil && n == 1
		})
	})
}

func TestGuard_GoesWithTheCommandWhereTheGateStandsByAgain(t *testing.T) {
	t.Parallel()
	s := guardStage(t)
	proxy := s.Proxy(nil)
	a := s.Start(stage.Pod{Name: "a", Proxy: proxy, Env: map[string]string{"ON_LOST": "standby"}})
	s.AwaitLeader(a)
	first := awaitGuard(s, a)
	proxy.BlackHole()
	s.AwaitLine(a, `msg="command ended"`)
	s.Await("the guard's end", func() bool { return len(guards(a)) == 0 })
	proxy.Pass()
	s.Await("the gate leads again", func() bool { return strings.Count(a.Output(), "a: started") == 2 })
	if second := awaitGuard(s, a); second == first {
		t.Error("the guard is still that of the first command")
	}
}

func TestGuard_IsNothingToTheCommand(t *testing.T) {
	t.Parallel()
	s := guardStage(t)
	s.LongLeases()
	locks := t.TempDir()
	a := s.Start(stage.Pod{Name: "a", NotInit: true, Env: map[string]string{"LOCK_TYPE": "file", "LOCK_DIR": locks}})
	s.AwaitLeader(a)
	guard := awaitGuard(s, a)
	commands := processes(func(pid int) bool {
		return stat(pid, 4) == strconv.Itoa(a.PID()) && pid != guard
	})
	if len(commands) != 1 {
		t.Fatalf("the gate has the children %v beside its guard", commands)
	}
	command := commands[0]
	for field, what := range map[int]string{5: "process group", 6: "session"} {
		if stat(command, field) == stat(guard, field) {
			t.Errorf("command and guard are in one %s", what)
		}
	}
	for _, file := range files(command) {
		if strings.Contains(file, "memfd") || strings.Contains(file, "timerfd") {
			t.Errorf("the command has inherited %s", file)
		}
	}
	if !slices.ContainsFunc(files(command), func(file string) bool { return strings.HasPrefix(file, locks) }) {
		t.Error("the command does not have the lock file: this test tests nothing")
	}
	s.Await("the guard has closed what is the command's", func() bool {
		return !slices.ContainsFunc(files(guard), func(file string) bool { return strings.HasPrefix(file, locks) })
	})
	if strings.Contains(procfile(guard, "environ"), "K8S_") {
		t.Error("the guard has the gate's environment")
	}
}

func TestGuard_HasLessThanTwoMegabytesToItself(t *testing.T) {
	t.Parallel()
	s := guardStage(t)
	s.LongLeases()
	a := s.Start(stage.Pod{Name: "a"})
	s.AwaitLeader(a)
	guard := awaitGuard(s, a)
	private := func() (kilobytes int) {
		for line := range strings.Lines(procfile(guard, "smaps_rollup")) {
			if fields := strings.Fields(line); fields[0] == "Private_Clean:" || fields[0] == "Private_Dirty:" {
				n, err := strconv.Atoi(fields[1])
				if err != nil {
					t.Fatal(err)
				}
				kilobytes += n
			}
		}
		return kilobytes
	}
	s.Await("the guard has less than 2 MB to itself", func() bool { n := private(); return 0 < n && n < 2000 })
	t.Logf("private memory of the guard: %d kB; threads: %s", private(), stat(guard, 20))
}

// stop stops the gate alone, and returns when it stands still, by the clock of the
// record.
func stop(t *testing.T, s *stage.Stage, c *stage.Container) time.Duration {
	t.Helper()
	c.Signal(syscall.SIGSTOP)
	s.Await(c.Pod.Name+" stands still", func() bool { return stateOf(c.PID()) == "T" })
	return boottime(t)
}

// tell prints the time line of a change of leaders.
func tell(t *testing.T, s *stage.Stage, stopped time.Duration) {
	t.Helper()
	line := []string{"gate stopped 0s"}
	for _, r := range s.Runs() {
		if strings.HasPrefix(r.Name, "a") {
			line = append(line, fmt.Sprintf("last sign of life of %s %v", r.Name, r.Last-stopped))
		} else {
			line = append(line, fmt.Sprintf("start of %s %v", r.Name, r.Started-stopped))
		}
	}
	t.Log(strings.Join(line, ", "))
}

func boottime(t *testing.T) time.Duration {
	t.Helper()
	return reading(t, unix.CLOCK_BOOTTIME)
}

// processes are the pids of all processes for which a condition holds.
func processes(holds func(pid int) bool) []int {
	files, _ := filepath.Glob("/proc/[0-9]*")
	var pids []int
	for _, file := range files {
		if pid, err := strconv.Atoi(filepath.Base(file)); err == nil && holds(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// procfile is the text of a file of the process; empty: it has gone.
func procfile(pid int, name string) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + name)
	return string(text)
}

// stat is a field of /proc/PID/stat, by its number in proc_pid_stat(5), from the
// third on; empty: it has gone.
func stat(pid, field int) string {
	text := procfile(pid, "stat")
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= field-3 {
		return ""
	}
	return fields[field-3]
}

func stateOf(pid int) string { return stat(pid, 3) }

// offspring are the living processes that the gate's command is or has started,
// wherever they are now: they have its environment.
func offspring(s *stage.Stage, c *stage.Container) []int {
	return processes(func(pid int) bool {
		environ := strings.Split(procfile(pid, "environ"), "\x00")
		return pid != c.PID() && stateOf(pid) != "Z" &&
			slices.Contains(environ, "K8S_AWAIT_ELECTION_LOCK_NAMESPACE="+s.Namespace) &&
			slices.Contains(environ, "K8S_AWAIT_ELECTION_IDENTITY="+c.Pod.Name)
	})
}

// guards are the living guards of the gate.
func guards(c *stage.Container) []int {
	return processes(func(pid int) bool {
		name, _, _ := strings.Cut(procfile(pid, "cmdline"), "\x00")
		return name == guardName && stat(pid, 4) == strconv.Itoa(c.PID())
	})
}

// awaitGuard waits until the gate has one guard, and returns it.
func awaitGuard(s *stage.Stage, c *stage.Container) (pid int) {
	s.Await(c.Pod.Name+" has a guard", func() bool {
		all := guards(c)
		if len(all) == 1 {
			pid = all[0]
		}
		return len(all) == 1
	})
	return pid
}

// files are what the process has open.
func files(pid int) []string {
	links, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	var names []string
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil {
			names = append(names, name)
		}
	}
	return names
}
