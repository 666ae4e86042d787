package elector

import (
	"context"
	"errors"
	"time"
)

// Record is the content of a lock, field for field what client-go's leader
// election keeps in the spec of a coordination.k8s.io/v1 Lease, and beside it
// two hints of our own.
type Record struct {
	// HolderIdentity names the holder. Empty: nobody.
	HolderIdentity string
	// LeaseDuration is how long a candidate must see no change before it may
	// take the lock. Stored in whole seconds, rounded up. Zero: the record has
	// none, and a candidate uses its own.
	LeaseDuration time.Duration
	// AcquireTime and RenewTime are wall-clock times, for people to read; no
	// rule of the election depends on them. Zero: absent.
	AcquireTime time.Time
	RenewTime   time.Time
	// LeaseTransitions counts the changes of holder.
	LeaseTransitions int
	// Instance says which process of which Pod wrote the record, so that a
	// restarted container knows its predecessor's. Heir is the candidate that
	// acts at once when the lock is free, while the others hold back. Both are
	// kept beside the record, in Kubernetes as the annotations
	// k8s-await-election/instance and k8s-await-election/heir. Other tools carry
	// them along unread, so they count only where their text names the holder and
	// the transitions of this very record. Empty: absent; writing it empty removes
	// it.
	Instance string
	Heir     string
}

// Observation is one state of a lock as it was seen at one moment.
type Observation struct {
	// Exists is false for a lock that is absent (never made, or deleted).
	Exists bool
	// Revision grows with every change of the lock, across its holders, its
	// instances and its deletion (in Kubernetes the resourceVersion, KEP-5504).
	// The revision that an acquiring write returned is the fencing token.
	// Zero, with Exists false: not known.
	Revision uint64
	Record   Record
	// Spec is equal for two observations exactly if the election's own part of
	// the lock is equal in them, fields that this program does not know
	// included, and our hints (Instance, Heir) left out. Opaque.
	Spec string
	// Follows is set by a watch that knows that the lock was in no other state
	// between this one and the one that the same call of Watch delivered before.
	// Where it begins anew, inside the call too, it does not know.
	Follows bool
	// Origin belongs to the Lock that made the observation: whatever it needs
	// to write back all that Record does not describe. Opaque.
	Origin any
}

// Lock is where the record is kept. All methods may be called from any
// goroutine, also at the same time.
type Lock interface {
	// Read returns the present state. An absent lock is no error.
	Read(ctx context.Context) (Observation, error)

	// Write replaces the record, on the condition that the lock is still
	// exactly what `from` says: the same object in the same version, or absent.
	// Everything in the lock that Record does not describe is kept. It sends
	// one request, never repeats it, and returns the state it made. Two calls
	// at one time go over two connections; ending ctx abandons the call's
	// connection.
	//
	// ErrConflict: the condition did not hold, nothing was written. ErrForbidden:
	// refused, nothing was written. Any other error: the outcome is unknown.
	Write(ctx context.Context, from Observation, to Record) (Observation, error)

	// Watch delivers the present state (an absent lock included), then each
	// change in its order, until ctx ends or the stream breaks, and returns
	// why. Clean ends of a stream are resumed inside. The caller calls again,
	// with a pause of its own. ErrForbidden: watching is not permitted.
	Watch(ctx context.Context, deliver func(Observation)) error

	// String names the lock for logs and errors, as in «lease prod/db».
	String() string
}

// What a Lock's errors are (errors.Is). An error may also have a method
// `RetryAfter() time.Duration`, which is honoured.
var (
	// ErrConflict: the lock was no longer what the write started from.
	ErrConflict = errors.New("changed meanwhile")
	// ErrForbidden: the caller may not do this. The message around it names
	// verb, resource, namespace, name and the rule to add.
	ErrForbidden = errors.New("forbidden")
)
