//go:build linux

package child

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func init() {
	// The gate of the forwarding test: what it catches goes to the command.
	scenarios["forward"] = func([]string) error {
		caught := make(chan os.Signal, 64)
		signal.Notify(caught, Forwardable()...)
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		p, err := start(s, me("report", "parent"))
		if err != nil {
			return err
		}
		if err := pipe.hear("ready", 2); err != nil {
			return err
		}
		fmt.Println("ready")
		for {
			select {
			case sig := <-caught:
				n, ok := sig.(syscall.Signal)
				if !ok {
					return fmt.Errorf("a signal of type %T", sig)
				}
				if err := p.Signal(n); err != nil {
					return err
				}
			case <-p.Exited():
				return errors.Join(want(p, 0), p.Sweep(background))
			}
		}
	}
	// The command: says what it gets, and so does a child in its group.
	scenarios["report"] = func(args []string) error {
		got := make(chan os.Signal, 64)
		signal.Notify(got, Forwardable()...)
		var errStart error
		if args[0] == "parent" {
			argv := me("report", "child")
			_, errStart = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{
				0, 1, 2, ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), remains}})
		}
		if _, err := syscall.Write(remains, []byte("ready")); err != nil {
			return err
		}
		for sig := range got {
			n, ok := sig.(syscall.Signal)
			if !ok {
				return fmt.Errorf("a signal of type %T", sig)
			}
			fmt.Println(args[0], int(n))
			if n == lastSignal {
				return errStart
			}
		}
		return nil
	}

	scenarios["deaths"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
			p, err := start(s, []string{"sleep", "100"})
			if err != nil {
				return err
			}
			if p.Status() != -1 {
				return fmt.Errorf("status %d of a running command", p.Status())
			}
			status := 128 + int(sig)
			if err := p.Signal(sig); err != nil {
				return err
			}
			if !Terminates(sig) || ignores(sig) {
				// Had it ended the command, this would come too late.
				status = 128 + 9
				if err := p.Signal(syscall.SIGKILL); err != nil {
					return err
				}
			}
			if err := want(p, status); err != nil {
				return fmt.Errorf("signal %d: %w", int(sig), err)
			}
			if err := errors.Join(p.Signal(sig), p.Sweep(background)); err != nil { // after its end
				return err
			}
		}
		return gone(pipe)
	}

	// Where the process may still be our own program.
	scenarios["deaths in the first moment"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
			if !Terminates(sig) || ignores(sig) {
				continue
			}
			p, err := guarded(s, []string{"sleep", "100"}).Start(nil, nil)
			if err != nil {
				return err
			}
			if err := errors.Join(p.Signal(sig), p.Signal(sig), want(p, 128+int(sig)), p.Sweep(background)); err != nil {
				return fmt.Errorf("signal %d: %w", int(sig), err)
			}
		}
		return gone(pipe)
	}

	scenarios["exit codes"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		for code := range 256 {
			p, err := start(s, sh("exit "+strconv.Itoa(code)))
			if err != nil {
				return err
			}
			if err := errors.Join(want(p, code), p.Sweep(background)); err != nil {
				return err
			}
		}
		return gone(pipe)
	}

	scenarios["recycled pid"] = func([]string) error {
		s, _, err := newGate()
		if err != nil {
			return err
		}
		before, err := start(s, sh("exit 0"))
		if err != nil {
			return err
		}
		if err := errors.Join(want(before, 0), before.Sweep(background)); err != nil {
			return err
		}
		var after *Process
		for range 100 { // threads of ours may take the pid first
			err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(before.PID()-1)), 0)
			if err != nil {
				fmt.Println("skip:", err)
				return nil
			}
			if after, err = start(s, sh("exec sleep 100")); err != nil {
				return err
			}
			if after.PID() == before.PID() {
				break
			}
			if err := after.Sweep(background); err != nil {
				return err
			}
		}
		if after.PID() != before.PID() {
			fmt.Println("skip: the kernel did not give the pid again")
			return nil
		}
		if err := before.Signal(syscall.SIGKILL); err != nil {
			return err
		}
		before.killGroup()
		if err := after.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return want(after, 128+15)
	}

	scenarios["dispositions"] = func([]string) error {
		signal.Notify(make(chan os.Signal, 64), Forwardable()...)
		s, _, err := newGate()
		if err != nil {
			return err
		}
		p, err := start(s, []string{"grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"})
		if err != nil {
			return err
		}
		return errors.Join(want(p, 0), p.Sweep(background))
	}
}

func TestStatus_IsTheExitCode(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "exit codes") })
}

func TestSignal_IsNotLostInTheFirstMoment(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "deaths in the first moment") })
}

func TestStatus_Is128AndTheSignalThatKilled(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "deaths") })
}

func TestSignal_NeverHitsTheNextOwnerOfThePID(t *testing.T) {
	t.Parallel()
	g := begin(t, asInit, "recycled pid")
	reader := bufio.NewReader(g.out)
	g.out = reader
	reason, _ := reader.ReadString('\n')
	g.end(t, 0)
	if reason != "" {
		t.Skip("needs to choose the next pid (/proc/sys/kernel/ns_last_pid): " + reason)
	}
}

func TestForwardable_SignalsReachTheCommandAlone(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) {
		g := begin(t, m, "forward")
		lines := bufio.NewScanner(g.out)
		lines.Scan() // ready
		signals := Forwardable()
		if last := signals[len(signals)-1]; last != lastSignal {
			t.Fatalf("the last signal is %v, want %d, which ends the command", last, lastSignal)
		}
		for _, sig := range signals {
			if err := g.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			n, _ := sig.(syscall.Signal)
			if want := "parent " + strconv.Itoa(int(n)); !lines.Scan() || lines.Text() != want {
				t.Fatalf("signal %d: %q is reported, want %q; the gate said:\n%s", n, lines.Text(), want, g.errs)
			}
		}
		for lines.Scan() {
			t.Errorf("also reported: %q", lines.Text())
		}
		g.end(t, 0)
	})
}

func TestForwardable_LeavesOutWhatIsOursOrCannotBeCaught(t *testing.T) {
	t.Parallel()
	var left []int
	signals := Forwardable()
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		if !slices.Contains(signals, os.Signal(n)) {
			left = append(left, int(n))
		}
	}
	// KILL, PIPE, CHLD, STOP, TTOU, URG, PROF, and the C libraries' own.
	if want := []int{9, 13, 17, 19, 22, 23, 27, 32, 33, 34}; !slices.Equal(left, want) {
		t.Errorf("left out: %v, want %v", left, want)
	}
}

// dispositions asks a command for its signals: blocked and ignored.
func dispositions(t *testing.T, g *gate) map[string]uint64 {
	t.Helper()
	masks := make(map[string]uint64)
	for lines := bufio.NewScanner(g.out); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		masks[key] = mask
	}
	g.end(t, 0)
	if len(masks) != 2 {
		t.Fatalf("masks %v", masks)
	}
	return masks
}

func TestStart_GivesTheCommandDefaultSignals(t *testing.T) {
	t.Parallel()
	masks := dispositions(t, begin(t, asSubreaper, "dispositions"))
	if masks["SigBlk"] != 0 || ignored(masks["SigIgn"]) != 0 {
		t.Errorf("the command starts with signals %v, want none blocked or ignored", masks)
	}
}

func TestStart_UnderNohupTheCommandIgnoresHangups(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := begin(t, asSubreaper, "exec", "sh", "-c", "trap '' HUP; exec "+self+" scenario dispositions")
	if masks := dispositions(t, g); ignored(masks["SigIgn"]) != 1 || masks["SigBlk"] != 0 {
		t.Errorf("the command starts with signals %v, want SIGHUP alone ignored", masks)
	}
}

func TestParseSignal_ReadsWhatADockerfileMaySay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]syscall.Signal{
		"SIGTERM": 15, "TERM": 15, "term": 15, "SigTerm": 15, "15": 15,
		"1": 1, "64": 64, "SIGQUIT": 3, "WINCH": 28, "SIGSTKFLT": 16, "IOT": 6,
		"RTMIN": 34, "SIGRTMIN+3": 37, "rtmin+0": 34, "RTMIN+30": 64, "SIGRTMAX": 64, "RTMAX-1": 63, "RTMAX-30": 34,
	} {
		if got, err := ParseSignal(text); err != nil || got != want {
			t.Errorf("ParseSignal(%q) = %d, %v, want %d", text, int(got), err, int(want))
		}
	}
}

func TestParseSignal_RefusesOthersWithoutRepeatingThem(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "0", "65", "-1", "+15", "256", "271", "1e1", "15 ", "SIG", "SIG15", "SIGSIGTERM", "s3cret",
		"RTMIN+31", "RTMIN+", "RTMIN-1", "RTMIN+-1", "RTMIN+255", "RTMAX-31", "RTMAX+1", "RTMAX-255",
	} {
		got, err := ParseSignal(text)
		if err == nil {
			t.Errorf("ParseSignal(%q) = %d, want an error", text, int(got))
		} else if text == "s3cret" && strings.Contains(err.Error(), text) {
			t.Errorf("ParseSignal(%q) repeats it: %v", text, err)
		}
	}
}
