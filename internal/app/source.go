package app

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/status"
)

// source is the elector's status in the words of the HTTP server.
type source struct {
	election *elector.Elector
	// identity is this candidate's.
	identity string
	// losing says what happens once the lease is lost.
	losing string
}

func (s source) Snapshot() status.Snapshot {
	return s.of(s.election.Status())
}

func (s source) of(now elector.Status) status.Snapshot {
	snapshot := status.Snapshot{
		Holding:     now.Holding,
		ExpiresIn:   now.ExpiresIn,
		Leader:      now.HolderIdentity,
		Since:       now.Since,
		Transitions: now.Transitions,
		Readable:    now.Known,
	}
	if now.Holding {
		snapshot.Token = strconv.FormatUint(now.Token, 10)
	}
	// What was read once and only cannot be reached now is still a lock that
	// this candidate can take over: a short outage of the API must not make
	// every standby unready. A refusal stays one until it is lifted.
	for _, err := range []error{now.Unreadable, now.Unwritable} {
		if err != nil && (!now.Known || errors.Is(err, elector.ErrForbidden)) {
			snapshot.Readable = false
			snapshot.Problem = err.Error()
		}
	}
	switch {
	case now.Holding && now.ExpiresIn > 0:
		snapshot.Reason = "holds the lease"
	case now.Holding:
		snapshot.Reason = "lost the lease, " + s.losing
	case snapshot.Problem != "":
		snapshot.Reason = snapshot.Problem
	case !now.Known:
		snapshot.Reason = "the lock has not been read yet"
	case now.HolderIdentity == "":
		snapshot.Reason = "stands by, nobody holds the lease"
	case now.HolderIdentity == s.identity: // as after a term, until others are seen to lead
		snapshot.Reason = "stands by, nobody else is known to hold the lease"
	default:
		snapshot.Reason = fmt.Sprintf("stands by, %s holds the lease", now.HolderIdentity)
	}
	return snapshot
}

// count enters an answer of the lock into the metrics.
func count(metrics *status.Metrics, r elector.Request) {
	switch {
	case r.Operation == "acquire" && r.Err == nil:
		metrics.Acquired()
	case r.Operation != "renew":
	case r.Err == nil:
		metrics.Renewed(r.Took)
	case errors.Is(r.Err, elector.ErrConflict):
		metrics.RenewFailed("conflict")
	case errors.Is(r.Err, elector.ErrForbidden):
		metrics.RenewFailed("forbidden")
	default:
		metrics.RenewFailed("no_answer")
	}
}
