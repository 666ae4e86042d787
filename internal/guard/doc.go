// Package guard is the second line of defence, a dead-man's switch: a small process
// of its own beside the command, which kills all that the gate has started when the
// deadline has passed and the gate has not. The gate is the first line; it may be
// stopped (SIGSTOP), hung or starved, and its lease runs out all the same.
//
// A gate has one Switch. The elector holds it on at each renewal (Hold), package
// child starts the guard from the gate's own file, and another one when it dies;
// package self calls Stand in it. Linux only.
//
// # Why the command is dead in time
//
//   - The deadline, T0 + LeaseDuration − KillMargin (see the timing inequality in
//     package elector), is in memory that both processes map. It is there before
//     the guard is, and what is forked to become the command does so only when the
//     guard has been started. A renewal moves the deadline before anything else is
//     done about it. So a gate that stands still, wherever it does, leaves a
//     deadline behind that is right, and a guard that reads it. No step of the gate
//     is needed for the kill.
//   - The guard sleeps on a timer of CLOCK_BOOTTIME, which goes on in suspend and
//     while the container is frozen, and looks at the deadline when the one that it
//     was set for has come: one wake-up in a lease's time, none at a renewal.
//   - It kills with SIGKILL all descendants of the gate but itself, whatever group
//     or session they are in, round after round until the gate ends. Where the gate
//     is process 1 that is kill(-1), which no fork evades and which needs no /proc.
//     Elsewhere it is the command's group, and then every process that /proc shows
//     below the gate.
//   - Nothing calls it off. A renewal that is answered as it strikes comes too
//     late: the gate finds the command dead, and as the term was over before
//     (RenewDeadline comes first), takes the lease for lost. It never releases a
//     record that is another's (package elector), so a gate that goes on after days
//     harms nobody.
//   - Whoever the gate forks when it goes on, because it was stopped between its
//     look at the clock and the fork, looks at the clock itself before it becomes
//     the command (command.Becoming), and meets the guard in its next round, some
//     milliseconds later.
//
// # What it is to the others
//
// It has no terminal, no signal of the command's group or session reaches it, the
// command inherits nothing of it, and it keeps nothing that the gate has open for
// the command: a lock file's flock least of all. It ends with the gate, by the
// parent-death signal and by the pipe whose other end the gate has. The gate's proof
// of death takes it in last (package child), so that it is there for as long as
// there is somebody to kill.
//
// # What it does not do
//
//   - It does not outlive the gate, so it does not help where a gate that is not
//     process 1 is killed. Process 1's death is everybody's.
//   - It kills whom the gate may kill, nobody else: without CAP_KILL a command that
//     has changed its uid lives on. A gate that runs ends for that, and takes
//     everything along as process 1; one that is stopped cannot, and nobody inside
//     of a PID namespace can kill its process 1.
//   - It is stopped with the gate by whatever stops both: a paused machine, a frozen
//     cgroup, a SIGSTOP to all processes of the container, a debugger on both. The
//     command of a frozen container is frozen too; after the thaw it runs until the
//     guard does, some milliseconds.
//   - It is starved with the gate by what starves both: a CPU limit is the
//     container's.
//   - Where the gate is not process 1, it needs /proc and pidfds (Linux 5.3), and
//     what forks and leaves its session faster than /proc can be read evades it, as
//     it does the gate.
//   - The command can kill it, as it can kill its gate. The gate starts another at
//     once, and stops the command in good order where it cannot.
package guard
