package status

import (
	"context"
	"time"
)

// Source tells the state of the election. Snapshot is called from many
// goroutines, for every answer, and must neither block nor wait for a lock that
// a hanging thread could hold.
type Source interface {
	Snapshot() Snapshot
}

// Snapshot is the state of the election at the moment it is taken. The zero
// value is a process that stands by and has not seen the lock yet.
type Snapshot struct {
	// Holding: this process has acquired the lock, and the term that began
	// then is not over: its command may still run.
	Holding bool
	// ExpiresIn is how long from now this process may say that it leads. Zero
	// or less: no longer. It counts only while Holding.
	ExpiresIn time.Duration
	// Token is the fencing token of that term. It counts only while Holding.
	Token string

	// Leader is the holder that the lock was last seen to name. Empty: nobody.
	Leader string
	// Since is when Leader has begun to lead, by the lock's record. Zero: not
	// known.
	Since time.Time
	// Transitions is how often the lock has changed its holder, by its record.
	Transitions int
	// Reason says, in a few words for people, why this process leads or stands
	// by.
	Reason string

	// Readable: the lock could be read, the last time that was tried.
	Readable bool
	// Problem says why it could not, and what to do. Empty: it was not tried
	// yet, or was Readable.
	Problem string
}

// leads tells whether this process leads, at the moment of the snapshot.
func (s Snapshot) leads() bool { return s.Holding && s.ExpiresIn > 0 }

// expired tells whether a term goes on though this process may not say any more
// that it leads: the command is being stopped, or should be dead by now.
func (s Snapshot) expired() bool { return s.Holding && s.ExpiresIn <= 0 }

// leader is who leads, as this process may say it: never itself past its lease,
// whatever the lock's record still names.
func (s Snapshot) leader(identity string) string {
	switch {
	case s.leads():
		return identity
	case s.Leader == identity:
		return ""
	}
	return s.Leader
}

// Probes answers for the command at this moment: nil, or why not. Each returns
// when its context is done. Implemented by internal/probe.
type Probes interface {
	// Live is nil too while the command does not run.
	Live(ctx context.Context) error
	Ready(ctx context.Context) error
	// Startup is nil too while the command does not run.
	Startup(ctx context.Context) error
}
