// Package child owns the processes of the gate: it spawns the command, does the
// duties of PID 1, passes signals on, kills all that descends from the gate,
// tells how the command ended, and runs exec probes. Package gate calls it
// through its own interfaces, app wires it; one [Supervisor] per process, for
// as long as the process lives. Linux only.
//
// # What it guarantees
//
//   - A nil from [Process.Sweep] means that no descendant of this process is
//     left. The proof is the kernel's: wait4(2) answers ECHILD while no spawn is
//     under way. Whoever loses its parent is handed to us in the same step in
//     which the parent dies (we are PID 1 or a subreaper), so having no child is
//     having no descendant. /proc is searched besides. It serves to find what is
//     to be killed; what /proc hides keeps wait4 from answering ECHILD, so
//     Sweep then fails instead of lying.
//   - No signal reaches a stranger that was given the pid of a process of ours.
//     Our own children are signalled under the lock that also covers reaping;
//     deeper descendants through a pidfd.
//   - The command and what it starts inherit stdin, stdout, stderr and every
//     descriptor without close-on-exec as they are.
//   - No program but our own, which is in memory, is loaded under the hand of the
//     gate: it is forked again and becomes the command by itself, so a file system
//     that does not answer holds up the command alone, and a kill ends that.
//   - While a command runs it has a guard (internal/guard), a child of this process
//     that is no part of what the command has started, and the last to be swept.
//     What was forked becomes the command only when its guard has been started.
//   - A signal for the command is not lost on our own program in its place: it
//     waits for the command, some milliseconds after the fork.
//   - Nothing here waits for a descendant: not signalling, not reaping, not
//     Sweep beyond its context. No method logs on the way to a kill, since a log
//     may block.
//
// # What it does not guarantee
//
//   - Not PID 1, the death of this process by SIGKILL leaves descendants
//     running. The command has a parent-death signal as a help, no more: it
//     reaches the command alone, and a set-uid program loses it (prctl(2)).
//   - A descendant that has changed its uid cannot be killed without CAP_KILL,
//     not even by root. Sweep then says who; the end of this process as PID 1
//     is the one kill that no uid resists (pid_namespaces(7)).
//   - Not PID 1, a program that forks, and leaves its session or group each
//     time, faster than /proc can be read may evade Sweep until its context
//     ends. As PID 1 it cannot: kill(-1) and fork exclude each other in the
//     kernel.
//   - Go's runtime resets the signals that were ignored when this process
//     started, except SIGHUP and SIGINT (and the stop signals); those two stay
//     ignored, here and in the command, as under nohup(1).
package child
