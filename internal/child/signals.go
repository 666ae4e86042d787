//go:build linux

package child

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// Signals are numbered 1 to 64. Names of real-time signals count from 34 and 64,
// as glibc and the container engines do.
const (
	lastSignal syscall.Signal = 64
	rtMin      syscall.Signal = 34
)

// sigstkflt has no name in package syscall on every architecture.
const sigstkflt syscall.Signal = 16

// notForwarded are the signals that never reach the command through us.
var notForwarded = map[syscall.Signal]bool{
	// Cannot be caught.
	syscall.SIGKILL: true,
	syscall.SIGSTOP: true,
	// Ours: our own children cause it.
	syscall.SIGCHLD: true,
	// Go's runtime sends it to itself, many times a second, to preempt.
	syscall.SIGURG: true,
	// We would get it for our own log on a broken pipe; New drops it.
	syscall.SIGPIPE: true,
	// We would get it for our own writing to the terminal that the command has.
	// Caught, it would be sent again for ever, as the write is restarted; passed
	// on, it would stop the command for our log.
	syscall.SIGTTOU: true,
	// Go's profiler takes it and lets nobody else have it.
	syscall.SIGPROF: true,
	// The C libraries' own, for cancelling threads and changing ids, and musl's
	// for the same; Go lets nobody catch them. 34 is SIGRTMIN elsewhere.
	32: true, 33: true, 34: true,
}

// Forwardable lists the signals to be caught and passed on to the command: all
// that can be, also those of hardware faults and SIGABRT, which Go delivers when
// another process has sent them and keeps for itself when they are the gate's
// own fault. SIGTSTP and SIGTTIN are among them: the command stops, not the gate,
// whose work goes on; the kernel has no cause to send us SIGTTIN, as we never
// read from the terminal.
//
// SIGHUP and SIGINT are left out where they were ignored when this process
// started: so does nohup(1) mean it, and catching them would take that from the
// command too. Hence to be called before anything is registered.
func Forwardable() []os.Signal {
	var signals []os.Signal
	for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
		if !notForwarded[sig] && !signal.Ignored(sig) {
			signals = append(signals, sig)
		}
	}
	return signals
}

// Terminates reports whether a process that does nothing about the signal ends
// of it (signal(7)).
func Terminates(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH,
		syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		return false
	}
	return sig >= 1 && sig <= lastSignal
}

// signalNames are the names of signal(7) on amd64 and arm64, which agree.
var signalNames = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ILL": syscall.SIGILL,
	"TRAP": syscall.SIGTRAP, "ABRT": syscall.SIGABRT, "IOT": syscall.SIGABRT, "BUS": syscall.SIGBUS,
	"FPE": syscall.SIGFPE, "KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "SEGV": syscall.SIGSEGV,
	"USR2": syscall.SIGUSR2, "PIPE": syscall.SIGPIPE, "ALRM": syscall.SIGALRM, "TERM": syscall.SIGTERM,
	"STKFLT": sigstkflt, "CHLD": syscall.SIGCHLD, "CLD": syscall.SIGCHLD, "CONT": syscall.SIGCONT,
	"STOP": syscall.SIGSTOP, "TSTP": syscall.SIGTSTP, "TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
	"URG": syscall.SIGURG, "XCPU": syscall.SIGXCPU, "XFSZ": syscall.SIGXFSZ, "VTALRM": syscall.SIGVTALRM,
	"PROF": syscall.SIGPROF, "WINCH": syscall.SIGWINCH, "IO": syscall.SIGIO, "POLL": syscall.SIGIO,
	"PWR": syscall.SIGPWR, "SYS": syscall.SIGSYS, "RTMIN": rtMin, "RTMAX": lastSignal,
}

var errSignal = errors.New("not a signal: want a name such as SIGTERM, TERM or SIGRTMIN+3, or a number from 1 to 64")

// ParseSignal reads a signal as a Dockerfile's STOPSIGNAL has it: a name with or
// without SIG, in any case, RTMIN+n and RTMAX-n, or a number. The error does not
// repeat the text.
func ParseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.ParseUint(text, 10, 8); err == nil {
		return inRange(syscall.Signal(n), 1)
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if sig, known := signalNames[name]; known {
		return sig, nil
	}
	if up, found := strings.CutPrefix(name, "RTMIN+"); found {
		if n, err := strconv.ParseUint(up, 10, 8); err == nil {
			return inRange(rtMin+syscall.Signal(n), rtMin)
		}
	}
	if down, found := strings.CutPrefix(name, "RTMAX-"); found {
		if n, err := strconv.ParseUint(down, 10, 8); err == nil {
			return inRange(lastSignal-syscall.Signal(n), rtMin)
		}
	}
	return 0, errSignal
}

// inRange returns the signal if it is one from first on.
func inRange(sig, first syscall.Signal) (syscall.Signal, error) {
	if sig < first || sig > lastSignal {
		return 0, errSignal
	}
	return sig, nil
}
