package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
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
	// quiet: all replicas must be unhurt and know their leader before, and must
	// do so again before anything else happens.
	quiet bool
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
		{name: "gate: STOP", weight: 3, store: leases | files, reach: hitsOne, parts: []string{"gate"}, effect: endsIfLong, begin: stopGate},
		{name: "command: TERM", weight: 1, store: leases | files, reach: hitsLeader, effect: ends(time.Second), begin: toCommand(syscall.SIGTERM)},
		{name: "command: KILL", weight: 1, store: leases | files, reach: hitsLeader, effect: ends(time.Second), begin: toCommand(syscall.SIGKILL)},
		{name: "command: ends by itself", weight: 1, store: leases | files, reach: hitsLeader, effect: ends(time.Second), begin: toCommand(syscall.SIGUSR1)},
		{name: "command: STOP", weight: 2, silences: true, store: leases | files, reach: hitsLeader, parts: []string{"command"}, effect: none, begin: stopCommand},
		{name: "guard: TERM", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"gate"}, effect: none, begin: toGuard(syscall.SIGTERM)},
		{name: "guard: KILL", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"gate"}, effect: none, begin: toGuard(syscall.SIGKILL)},
		{name: "guard: STOP", weight: 1, store: leases | files, reach: hitsLeader, parts: []string{"gate"}, effect: none, begin: stopGuard},
		{name: "container: frozen", weight: 2, silences: true, freezes: true, store: leases | files, reach: hitsOne, parts: []string{"gate", "command"}, effect: endsIfLong, begin: freeze},

		{name: "network: reset", weight: 2, store: leases, reach: hitsAny, parts: []string{"network"}, effect: slow, begin: reset},
		{name: "network: black hole", weight: 3, store: leases, reach: hitsAny, parts: []string{"network"}, effect: outage, begin: blackHole},
		{name: "network: half-open", weight: 2, store: leases, reach: hitsAny, parts: []string{"network"}, effect: slow, begin: halfOpen},
		{name: "network: no answers", weight: 3, store: leases, reach: hitsAny, parts: []string{"network"}, effect: outage, begin: noAnswers},
		{name: "network: refused", weight: 1, store: leases, reach: hitsAny, parts: []string{"network"}, effect: outage, begin: refused},

		{name: "API: slow (5 s)", weight: 2, store: leases, reach: hitsAll, parts: []string{"network"}, effect: slowAPI, begin: slowly},
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
		{name: "Lease: annotations removed", weight: 1, store: leases, reach: hitsAll, edits: true, effect: none, begin: edit(removeAnnotations)},
		{name: "Lease: foreign holder", weight: 2, store: leases, reach: hitsAll, edits: true, effect: ends(2 * time.Second), begin: edit(setForeignHolder)},

		{name: "disk: full", weight: 3, store: files, reach: hitsAll, parts: []string{"disk"}, effect: outage, begin: fillDisk},
	}
}

func none(hit) (verdict.Effect, time.Duration)   { return verdict.None, 0 }
func outage(hit) (verdict.Effect, time.Duration) { return verdict.Outage, 0 }
func slow(hit) (verdict.Effect, time.Duration)   { return verdict.Slow, 0 }

func ends(after time.Duration) func(hit) (verdict.Effect, time.Duration) {
	return func(hit) (verdict.Effect, time.Duration) { return verdict.Ends, after }
}

func endsIfLong(h hit) (verdict.Effect, time.Duration) {
	if h.long {
		return verdict.Ends, 2 * time.Second
	}
	return verdict.None, 0
}

// apiLatency is that of a slow API server.
const apiLatency = 5 * time.Second

// slowAPI: who waits long enough gets an answer to every request.
func slowAPI(h hit) (verdict.Effect, time.Duration) {
	if h.fleet.renew < apiLatency+2*h.fleet.retry {
		return verdict.Outage, 0
	}
	return verdict.Slow, 0
}

// ------------------------------------------------------------------ processes

func toGate(s syscall.Signal) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		for _, r := range h.replicas {
			if h.other {
				r.uid++ // its next container is one of a new Pod of the same name
			}
			r.container.Signal(s)
		}
		return nil, nil
	}
}

func stopGate(h hit) (func() error, error) {
	c := h.replicas[0].container
	c.Signal(syscall.SIGSTOP)
	return func() error { c.Signal(syscall.SIGCONT); return nil }, nil
}

// process finds one that the leader's gate has started.
func (h hit) process(is func(stage.Process) bool) (pid int, err error) {
	if l, _ := h.fleet.leader(); l == nil || l != h.replicas[0] {
		return 0, errNobody
	}
	c := h.replicas[0].container
	for _, p := range c.Processes() {
		if p.Parent == c.PID() && is(p) {
			return p.PID, nil
		}
	}
	return 0, errNobody
}

// command is the one that notes that it runs.
func (h hit) command() (pid int, err error) {
	_, run := h.fleet.leader()
	return h.process(func(p stage.Process) bool { return p.Inner == run.PID })
}

// guard is the process that kills the command when its gate does not.
func (h hit) guard() (pid int, err error) { return h.process(isGuard) }

func isGuard(p stage.Process) bool { return p.Name == "k8s-await-election: guard" }

func toCommand(s syscall.Signal) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		pid, err := h.command()
		if err != nil {
			return nil, err
		}
		return nil, gone(syscall.Kill(pid, s))
	}
}

// toGuard ends the guard. The fault lasts until there is another, or no command:
// until then the gate must not be stopped.
func toGuard(s syscall.Signal) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		old, err := h.guard()
		if err != nil {
			return nil, err
		}
		c := h.replicas[0].container
		return func() error {
			for range patience / lookAround {
				others := 0
				for _, p := range c.Processes() {
					if p.Parent == c.PID() && p.PID != old {
						if others++; isGuard(p) {
							return nil
						}
					}
				}
				if others == 0 {
					return nil
				}
				time.Sleep(lookAround)
			}
			return errors.New("no other guard stands")
		}, gone(syscall.Kill(old, s))
	}
}

func stopCommand(h hit) (func() error, error) {
	pid, err := h.command()
	if err != nil {
		return nil, err
	}
	return stop(pid)
}

func stopGuard(h hit) (func() error, error) {
	pid, err := h.guard()
	if err != nil {
		return nil, err
	}
	return stop(pid)
}

// freeze stops all that is in the container, the gate first.
func freeze(h hit) (func() error, error) {
	var pids []int
	for _, p := range h.replicas[0].container.Processes() {
		if p.Inner == 1 {
			pids = append([]int{p.PID}, pids...)
		} else {
			pids = append(pids, p.PID)
		}
	}
	if len(pids) == 0 {
		return nil, errNobody
	}
	return stop(pids...)
}

func stop(pids ...int) (resume func() error, err error) {
	for _, pid := range pids {
		err = errors.Join(err, gone(syscall.Kill(pid, syscall.SIGSTOP)))
	}
	return func() error {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		return nil
	}, err
}

func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return errNobody
	}
	return err
}

// -------------------------------------------------------------------- network

// roads are the ways of those who are hit.
func (h hit) roads() (proxies []*faultproxy.Proxy) {
	for _, r := range h.replicas {
		proxies = append(proxies, r.proxy)
	}
	return proxies
}

func reset(h hit) (func() error, error) {
	for _, p := range h.roads() {
		p.Reset()
	}
	return nil, nil
}

// overRoads does something to every way, and undoes it by Pass.
func overRoads(h hit, do func(*faultproxy.Proxy)) (func() error, error) {
	roads := h.roads()
	for _, p := range roads {
		do(p)
	}
	return func() error {
		for _, p := range roads {
			if h.other { // else what was held back arrives, late
				p.Reset()
			}
			p.Pass()
		}
		return nil
	}, nil
}

func blackHole(h hit) (func() error, error) { return overRoads(h, (*faultproxy.Proxy).BlackHole) }

func noAnswers(h hit) (func() error, error) { return overRoads(h, (*faultproxy.Proxy).HoldAnswers) }

func halfOpen(h hit) (func() error, error) {
	return overRoads(h, func(p *faultproxy.Proxy) { p.BlackHoleOpen() })
}

func refused(h hit) (func() error, error) {
	return overRoads(h, func(p *faultproxy.Proxy) { p.Refuse(); p.Reset() })
}

// ----------------------------------------------------------------- API server

// answer leads all replicas to the proxy that answers for the API server.
func (h hit) answer() (end func() error, err error) {
	own, err := address(h.fleet.answers.Config())
	if err != nil {
		return nil, err
	}
	server, err := address(h.fleet.server.Config())
	if err != nil {
		return nil, err
	}
	lead := func(target string) {
		for _, p := range h.roads() {
			p.Redirect(target)
			p.Reset()
		}
	}
	lead(own)
	return func() error {
		lead(server)
		h.fleet.answers.Answer(nil)
		h.fleet.answers.Delay(0)
		return nil
	}, nil
}

func address(config *rest.Config) (string, error) {
	parsed, err := url.Parse(config.Host)
	if err != nil {
		return "", fmt.Errorf("address of the API server: %w", err)
	}
	return parsed.Host, nil
}

func slowly(h hit) (func() error, error) {
	h.fleet.answers.Delay(apiLatency)
	return h.answer()
}

func refuses(code int, reason string) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		h.fleet.answers.Answer(func(*http.Request) http.Handler {
			if h.other && code == http.StatusTooManyRequests {
				return faultproxy.Status(code, reason, "chaos", "Retry-After", "1")
			}
			return faultproxy.Status(code, reason, "chaos")
		})
		return h.answer()
	}
}

func pauseAPIServer(h hit) (func() error, error) {
	return h.fleet.server.APIServer.Resume, h.fleet.server.APIServer.Pause()
}

func pauseEtcd(h hit) (func() error, error) {
	return h.fleet.server.Etcd.Resume, h.fleet.server.Etcd.Pause()
}

func (h hit) restart() error {
	ctx, cancel := context.WithTimeout(h.fleet.t.Context(), patience)
	defer cancel()
	return h.fleet.server.Restart(ctx)
}

// restartAPIServer lets it end watches for as long as the fault lasts, as a
// kubelet does.
func restartAPIServer(h hit) (func() error, error) {
	return func() error {
		_ = h.fleet.server.APIServer.Kill() // may have ended meanwhile
		return h.restart()
	}, h.fleet.server.APIServer.Terminate()
}

func killAPIServer(h hit) (func() error, error) {
	return h.restart, h.fleet.server.APIServer.Kill()
}

func rotateCertificate(h hit) (func() error, error) {
	return func() error {
		ctx, cancel := context.WithTimeout(h.fleet.t.Context(), patience)
		defer cancel()
		if err := h.fleet.server.RotateCertificate(ctx); err != nil {
			return err
		}
		// Who is connected would not notice.
		for _, p := range h.roads() {
			p.Reset()
		}
		return nil
	}, nil
}

// --------------------------------------------------------------------- tokens

func expireToken(h hit) (func() error, error) {
	valid := h.fleet.newToken()
	expired, err := h.fleet.server.Expired(valid)
	if err != nil {
		return nil, err
	}
	set := func(token string) error {
		var errs []error
		for _, r := range h.replicas {
			errs = append(errs, r.setToken(token))
		}
		return errors.Join(errs...)
	}
	return func() error { return set(valid) }, set(expired)
}

func rotateToken(h hit) (func() error, error) {
	for _, r := range h.replicas {
		if err := r.setToken(h.fleet.newToken()); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// ----------------------------------------------------------------- the record

func deleteLease(h hit) (func() error, error) {
	h.fleet.stage.DeleteLease()
	return nil, nil
}

func edit(change func(*coordinationv1.Lease)) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		if h.fleet.stage.Lease() == nil {
			return nil, errNobody
		}
		h.fleet.stage.EditLease(change)
		return nil, nil
	}
}

func emptyHolder(lease *coordinationv1.Lease) { lease.Spec.HolderIdentity = new("") }

func removeAnnotations(lease *coordinationv1.Lease) { lease.Annotations = nil }

// setForeignHolder writes somebody into the record who is not there, as an older
// program does that believes it has won.
func setForeignHolder(lease *coordinationv1.Lease) {
	now := metav1.NowMicro()
	lease.Spec.HolderIdentity = new("stranger")
	lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
	transitions := int32(1)
	if lease.Spec.LeaseTransitions != nil {
		transitions += *lease.Spec.LeaseTransitions
	}
	lease.Spec.LeaseTransitions = &transitions
	if seconds := lease.Spec.LeaseDurationSeconds; seconds == nil || *seconds < 3 {
		lease.Spec.LeaseDurationSeconds = new(int32(3))
	}
}

// ----------------------------------------------------------------------- disk

func fillDisk(h hit) (func() error, error) {
	end, err := h.fleet.fill()
	if err != nil {
		return nil, fmt.Errorf("fill the disk: %w", err)
	}
	return end, nil
}
