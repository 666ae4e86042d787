package config

import (
	"strconv"
	"strings"
	"syscall"
)

// endsNothing are the signals that make no command end. KILL is not among them:
// it ends every command, if without a word. WINCH is not either: it is the
// graceful stop of Apache httpd, in whose image it is the STOPSIGNAL.
var endsNothing = map[string]syscall.Signal{
	"STOP": syscall.SIGSTOP, "TSTP": syscall.SIGTSTP, "TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
	"CONT": syscall.SIGCONT, "CHLD": syscall.SIGCHLD, "CLD": syscall.SIGCHLD, "URG": syscall.SIGURG,
}

// stopSignal refuses what would have the gate wait in vain: for ever, or, with a
// STOP_TIMEOUT, always until that is over. Whether the text is a signal at all is
// left to the room that sends it.
func (v *validator) stopSignal() {
	v.config.StopSignal = v.set.StopSignal
	_, is := endsNothing[strings.TrimPrefix(strings.ToUpper(v.set.StopSignal), "SIG")]
	if n, err := strconv.ParseUint(v.set.StopSignal, 10, 8); err == nil {
		for _, signal := range endsNothing {
			is = is || signal == syscall.Signal(n)
		}
	}
	if is {
		v.mistake("STOP_SIGNAL", "no command ends on this signal: it halts or resumes a process, or is ignored, and the gate would wait for the end in vain; give the one that the command stops on")
	}
}
