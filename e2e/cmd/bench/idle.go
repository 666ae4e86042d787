package main

import (
	"context"
	"errors"
	"time"
)

// Samples of one replica while nothing happens. Bytes are those of TLS, in both
// directions together.
const (
	idleRequests   = "idle_requests"        // of a standby in a minute, watches aside
	idleWatches    = "idle_watches"         // watches it began in that minute
	standbyBytes   = "idle_standby_bytes"   // of a standby in a minute
	standbyCPU     = "idle_standby_cpu_ms"  // CPU time of a standby's gate in a minute
	leaderRequests = "idle_leader_requests" // of the leader in a minute, watches aside
	leaderBytes    = "idle_leader_bytes"    // of the leader in a minute
	leaderCPU      = "idle_leader_cpu_ms"   // CPU time of the leader's gate in a minute
	serverCPU      = "idle_server_cpu_ms"   // CPU time of kube-apiserver in a minute, with all fleets
	standbyRSS     = "standby_rss_bytes"    // VmRSS
	standbyAnon    = "standby_anon_bytes"   // RssAnon
	leaderRSS      = "leader_rss_bytes"     //
	leaderAnon     = "leader_anon_bytes"    //
)

// idle leaves fleets alone for a minute, and returns one set of samples for each
// replica, and one for the API server. A fleet has two standbys, so half as many
// fleets as runs give a sample for every run.
func (b *bench) idle(ctx context.Context, t tool) (samples []map[string]float64, err error) {
	var fleets []*fleet
	defer func() {
		for _, f := range fleets {
			if err != nil && ctx.Err() == nil {
				progress("the replicas' last words:\n%s", f.logs())
			}
			err = errors.Join(err, f.stop())
		}
	}()
	for range (b.settings.Runs + 1) / 2 {
		f, err := b.newFleet(ctx, t, replicas, finest, true)
		fleets = append(fleets, f)
		if err != nil {
			return nil, err
		}
	}
	leaders := map[*replica]bool{}
	var all []*replica
	for _, f := range fleets {
		_, leader, err := f.settled(ctx)
		if err != nil {
			return nil, err
		}
		leaders[leader] = true
		all = append(all, f.replicas...)
	}
	server, err := b.server.APIServer.PID()
	if err != nil {
		return nil, err
	}

	before, err := lookAt(server, all)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, b.settings.Idle); err != nil {
		return nil, err
	}
	after, err := lookAt(server, all)
	if err != nil {
		return nil, err
	}
	requests, watches, err := b.requestsBetween(before.at, after.at)
	if err != nil {
		return nil, err
	}
	samples = append(samples, map[string]float64{serverCPU: ms(after.server - before.server)})
	for i, r := range all {
		resident, anonymous, err := memory(r.gate.Process.Pid)
		if err != nil {
			return nil, err
		}
		passed, busy := float64(after.bytes[i]-before.bytes[i]), ms(after.gates[i]-before.gates[i])
		if leaders[r] {
			samples = append(samples, map[string]float64{
				leaderRSS: resident, leaderAnon: anonymous,
				leaderRequests: requests[r.user], leaderBytes: passed, leaderCPU: busy,
			})
			continue
		}
		samples = append(samples, map[string]float64{
			standbyRSS: resident, standbyAnon: anonymous,
			idleRequests: requests[r.user], idleWatches: watches[r.user], standbyBytes: passed, standbyCPU: busy,
		})
	}
	return samples, nil
}

// reading is what counters of the API server and of each replica say at an instant.
type reading struct {
	at     time.Time
	server time.Duration
	gates  []time.Duration
	bytes  []int64
}

func lookAt(server int, all []*replica) (r reading, err error) {
	r.at = time.Now()
	if r.server, err = cpuTime(server); err != nil {
		return r, err
	}
	for _, one := range all {
		busy, err := cpuTime(one.gate.Process.Pid)
		if err != nil {
			return r, err
		}
		r.gates = append(r.gates, busy)
		r.bytes = append(r.bytes, one.proxy.Passed())
	}
	return r, nil
}

// requestsBetween counts the requests that reached the API server, and the watches
// begun, by user.
func (b *bench) requestsBetween(from, to time.Time) (requests, watches map[string]float64, err error) {
	list, err := b.server.Requests("")
	requests, watches = map[string]float64{}, map[string]float64{}
	for _, q := range list {
		switch {
		case q.Stage != "RequestReceived" || q.Received.Before(from) || q.Received.After(to):
		case q.Verb == "watch":
			watches[q.User.Username]++
		default:
			requests[q.User.Username]++
		}
	}
	return requests, watches, err
}
