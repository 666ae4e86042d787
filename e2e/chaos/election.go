package chaos

import (
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
)

// store is where a lock is kept.
type store int

const (
	leases store = 1 << iota
	files
)

// election is a lock that replicas compete for.
type election struct {
	name                string
	store               store
	lease, renew, retry time.Duration
}

// elections are those of a run: short leases mostly, on which much happens.
var elections = []election{
	{"fast-1", leases, 3 * time.Second, 2 * time.Second, 500 * time.Millisecond},
	{"fast-2", leases, 3 * time.Second, 2 * time.Second, 500 * time.Millisecond},
	{"slow", leases, 15 * time.Second, 10 * time.Second, 2 * time.Second},
	{"file", files, 3 * time.Second, 2 * time.Second, 500 * time.Millisecond},
}

const (
	// slack is for a busy machine.
	slack = 300 * time.Millisecond
	// startup is what a new leader needs beside what docs/protocol.md says: its
	// container's restart, its connections, what the API server needs after an
	// outage of its own.
	startup = 4 * time.Second
)

// promise is what its leaders and candidates are held to. A leader whose renewal
// fails tries again after retry, and gives up at renew, both counted from the
// last renewal, which is up to retry old when a fault begins.
func (e election) promise() verdict.Lock {
	return verdict.Lock{
		Name:      e.name,
		Patience:  e.renew - 2*e.retry - slack,
		Recovery:  2*e.retry + slack,
		Aftermath: e.lease,
		Bound:     e.lease*102/100 + e.retry*5/2 + 500*time.Millisecond + startup,
	}
}
