package chaos

import (
	"errors"
	"net/http"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
)

// reach is whom a kind of fault can hit.
type reach int

const (
	hitsLeader reach = iota // the leader
	hitsOne                 // the leader or a standby
	hitsAny                 // the leader, a standby, or all replicas of a lock
	hitsAll                 // all replicas of a lock
	hitsShared              // all that have a Lease
)

// kind is a kind of fault.
type kind struct {
	name   string
	weight int
	store  store
	reach  reach
	// parts are what it takes hold of in each replica that it hits: no two faults
	// have the same at once.
	parts []string
	// edits: it asks the API server, which must answer.
	edits bool
	// quiet: all replicas must be unhurt, have got over what was before, and know
	// their leader, and must do so again before anything else happens.
	quiet bool
	// between: no renewal may be under way.
	between bool
	// brief: it lasts as long as undoing it takes.
	brief bool
	// silences, freezes: see verdict.Fault.
	silences, freezes bool
	// effect is what it may do to a leader, and until how long after its end.
	effect func(h hit) (verdict.Effect, time.Duration)
	// begin does it. What undoes it, if it lasts, may be called from any
	// goroutine. errNobody: there was nothing to be hurt.
	begin func(h hit) (end func() error, err error)
}

// errNobody says that there is nobody to be hurt at the moment.
var errNobody = errors.New("nobody there")

// hold is for how long a fault lasts, if it does.
func (h hit) hold() time.Duration {
	e := h.fleet.election
	switch {
	case h.kind.brief:
		return 0
	case !h.long:
		return time.Duration(h.share * 0.8 * float64(e.promise().Patience))
	case h.kind.reach == hitsShared: // so that the slowest lock may suffer, or not
		return e.renew + time.Duration(h.share*float64(8*time.Second))
	}
	return e.renew + time.Duration(h.share*1.2*float64(e.lease))
}

// kinds are all there are. Those that test how a lock passes on come up more
// often.
func kinds() []*kind {
	return []*kind{
		{name: "gate: TERM", weight: 4, store: leases | files, reach: hitsAny, parts: []string{"gate"}, effect: ends(stopTimeout + time.Second), begin: toGate(syscall.SIGTERM)},
		{name: "gate: KILL", weight: 4, store: leases | files, reach: hitsAny, effect: ends(time.Second), begin: toGate(syscall.SIGKILL)},
		{name: "gate: STOP", weight: 3, store: leases | files, reach: hitsOne, parts: []string{"gate"}, effect: standsStill, begin: stopGate},
		{name: "command: TERM", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"command"}, effect: endsCommand, begin: toCommand(syscall.SIGTERM)},
		{name: "command: KILL", weight: 1, store: leases | files, reach: hitsLeader, effect: endsCommand, begin: toCommand(syscall.SIGKILL)},
		{name: "command: ends by itself", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"command"}, effect: endsCommand, begin: toCommand(syscall.SIGUSR1)},
		{name: "command: STOP", weight: 2, silences: true, store: leases | files, reach: hitsLeader, parts: []string{"command"}, effect: none, begin: stopCommand},
		{name: "guard: TERM", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"gate"}, effect: none, begin: toGuard(syscall.SIGTERM)},
		{name: "guard: KILL", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"gate"}, effect: none, begin: toGuard(syscall.SIGKILL)},
		{name: "guard: STOP", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"gate"}, effect: none, begin: stopGuard},
		{name: "container: frozen", weight: 2, silences: true, freezes: true, store: leases | files, reach: hitsOne, parts: []string{"gate", "command"}, effect: standsStill, begin: freeze},

		{name: "network: reset", weight: 2, store: leases, reach: hitsAny, parts: []string{"network"}, effect: slow, begin: reset},
		{name: "network: black hole", weight: 3, store: leases, reach: hitsAny, parts: []string{"network"}, effect: outage, begin: blackHole},
		{name: "network: half-open", weight: 2, store: leases, reach: hitsAny, parts: []string{"network"}, effect: slow, begin: halfOpen},
		{name: "network: no answers", weight: 3, store: leases, reach: hitsAny, parts: []string{"network"}, effect: outage, begin: noAnswers},
		{name: "network: refused", weight: 1, store: leases, reach: hitsAny, parts: []string{"network"}, effect: outage, begin: refused},

		{name: "API: slow", weight: 2, store: leases, reach: hitsAll, parts: []string{"network"}, effect: slowAPI, begin: slowly},
		{name: "API: 429", weight: 1, store: leases, reach: hitsAll, parts: []string{"network"}, effect: outage, begin: refuses(http.StatusTooManyRequests, "TooManyRequests")},
		{name: "API: 500", weight: 1, store: leases, reach: hitsAll, parts: []string{"network"}, effect: outage, begin: refuses(http.StatusInternalServerError, "InternalError")},
		{name: "API server: STOP", weight: 1, store: leases, reach: hitsShared, effect: outage, begin: pauseAPIServer},
		{name: "API server: TERM", weight: 1, store: leases, reach: hitsShared, effect: outage, begin: restartAPIServer},
		{name: "API server: KILL", weight: 1, store: leases, reach: hitsShared, effect: outage, begin: killAPIServer},
		{name: "API server: new certificate", weight: 1, store: leases, reach: hitsShared, brief: true, effect: slow, begin: rotateCertificate},
		{name: "etcd: STOP", weight: 2, store: leases, reach: hitsShared, effect: outage, begin: pauseEtcd},

		{name: "token: expired", weight: 1, store: leases, reach: hitsAny, parts: []string{"token"}, edits: true, effect: outage, begin: expireToken},
		{name: "token: rotated", weight: 1, store: leases, reach: hitsAny, parts: []string{"token"}, edits: true, effect: none, begin: rotateToken},

		{name: "Lease: deleted", weight: 2, store: leases, reach: hitsAll, edits: true, quiet: true, effect: none, begin: deleteLease},
		{name: "Lease: holder emptied", weight: 2, store: leases, reach: hitsAll, edits: true, quiet: true, effect: none, begin: edit(emptyHolder)},
		{name: "Lease: duration shortened", weight: 1, store: leases, reach: hitsAll, edits: true, quiet: true, effect: none, begin: shortenDuration},
		{name: "Lease: annotations removed", weight: 1, store: leases, reach: hitsAll, edits: true, quiet: true, between: true, effect: none, begin: edit(removeAnnotations)},
		{name: "Lease: foreign holder", weight: 2, store: leases, reach: hitsAll, edits: true, effect: endsWithLease, begin: edit(setForeignHolder)},

		{name: "disk: full", weight: 3, store: files, reach: hitsAll, parts: []string{"disk"}, effect: outage, begin: fillDisk},
	}
}

func none(hit) (verdict.Effect, time.Duration)   { return verdict.None, 0 }
func outage(hit) (verdict.Effect, time.Duration) { return verdict.Outage, 0 }
func slow(hit) (verdict.Effect, time.Duration)   { return verdict.Slow, 0 }

func ends(after time.Duration) func(hit) (verdict.Effect, time.Duration) {
	return func(hit) (verdict.Effect, time.Duration) { return verdict.Ends, after }
}

// endsWithLease: a leader that can be reached ends at once, and one to whom nobody can
// say that it leads no more ends with its lease.
func endsWithLease(h hit) (verdict.Effect, time.Duration) { return verdict.Ends, h.fleet.lease }

// standsStill: to stand still for less than a leader can bear is like a slow store.
func standsStill(h hit) (verdict.Effect, time.Duration) {
	if h.long {
		return verdict.Ends, stopTimeout + time.Second
	}
	return slow(h)
}

// endsCommand: what the command leaves behind lives until the gate sees to it, which may
// stand still at the moment.
func endsCommand(h hit) (verdict.Effect, time.Duration) {
	return verdict.Ends, time.Second + h.fleet.promise().Patience
}

// apiLatency is that of a very slow API server. Who waits gets an answer to every
// request, but no leader of a run keeps its lease: a renewal is sent when the one
// before it was answered, which was sent apiLatency ago, and twice that is no less
// than the longest RENEW_DEADLINE.
const apiLatency = 5 * time.Second

// latency is that of a slow API server: so that no leader can bear it, or so that
// each must, even one whose renewals meet somebody else's writes, time after time.
func (h hit) latency() time.Duration {
	if h.other {
		return apiLatency
	}
	return h.fleet.renew / 10
}

func slowAPI(h hit) (verdict.Effect, time.Duration) {
	if h.other {
		return outage(h)
	}
	return slow(h)
}
