package gate

import (
	"context"
	"syscall"
)

// Spawner starts the command, each time anew. Implemented by internal/child, and
// by internal/statusfile, whose command is the claim to lead itself.
type Spawner interface {
	// Start spawns the command with `extra` ("KEY=value") added to the gate's
	// own environment. It asks may directly before, when nothing that could
	// take time is left to do, and spawns nothing if the answer is false. The
	// Process is nil where nothing was spawned, and an error says why: it is
	// ErrUnable where another replica may be able to.
	Start(extra []string, may func() bool) (Process, error)
}

// Process is the command while it runs, with everything it has started.
type Process interface {
	// PID is zero for what is no process.
	PID() int
	// Exited is closed when the command itself has ended; descendants may
	// still run.
	Exited() <-chan struct{}
	// Status is the command's end as a shell tells it: its exit code, or 128+n
	// for a death by signal n. Valid once Exited is closed.
	Status() int
	// Err is ErrUnable where it could not do here what it is for, and nil where
	// Status tells all. Valid once Exited is closed.
	Err() error
	// Signal sends a signal to the command alone. A command that has ended is
	// no error.
	Signal(syscall.Signal) error
	// Sweep kills all descendants of the gate and returns nil when it has seen
	// that none is left. It tries until ctx ends, and returns then why death
	// is not proven. It may be called more than once.
	Sweep(ctx context.Context) error
}

// Readiness tells whether the command can serve. Implemented by internal/probe.
type Readiness interface {
	// Watch runs the readiness probe against the command that has just been
	// started and calls changed for each change, first when the command
	// becomes ready, until ctx ends. It calls from one goroutine.
	Watch(ctx context.Context, changed func(ready bool))
}

// Publisher leads clients to this Pod. Implemented by internal/kube.
type Publisher interface {
	// Prepare finds out, while the command starts, what Publish has to know, so
	// that what is left to do is one write. It changes nothing, and returns when
	// ctx ends at the latest.
	Prepare(ctx context.Context)
	// Publish makes this Pod the one destination and puts right what somebody
	// else changes, until ctx ends. It retries what fails, and leaves the
	// destination as it is when it returns.
	Publish(ctx context.Context)
	// Empty takes the destination away, if it is this Pod. Where somebody follows
	// (followed), who publishes at once and by that replaces what is shared, only
	// what nobody else replaces is taken away, such as a label of this Pod.
	Empty(ctx context.Context, followed bool) error
}

// Announcer tells people about a change of leadership, without waiting and
// without promise. Implemented by internal/kube as Events on the Pod.
type Announcer interface {
	Announce(reason, message string)
}

// Observer is told when the command starts and ends, from the gate's own
// goroutine; it must not wait for anything. Implemented by internal/app, for
// logs, probes and metrics.
type Observer interface {
	// Started is given the term's fencing token.
	Started(pid int, token uint64)
	// Ended is called once all is dead; the reason is for people.
	Ended(status int, reason string)
}
