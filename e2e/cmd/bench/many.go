package main

import (
	"context"
	"errors"
	"time"
)

// Samples of many Leases at once.
const (
	manyRequests = "many_requests_per_s"  // lock requests that reached the API server, watches aside
	manyServer   = "many_server_cpu"      // cores that kube-apiserver was busy with
	manyGate     = "many_gate_cpu_ms_min" // CPU time of one leader's gate in a minute
)

// many has as many leaders as the settings say, each alone on a Lease of its own,
// and leaves them alone for a while.
func (b *bench) many(ctx context.Context, t tool) (values map[string]float64, err error) {
	var fleets []*fleet
	defer func() {
		for _, f := range fleets {
			err = errors.Join(err, f.stop())
		}
	}()
	for range b.settings.Leases {
		f, err := b.newFleet(ctx, t, 1, leisurely, false)
		fleets = append(fleets, f)
		if err != nil {
			return nil, err
		}
	}
	for _, f := range fleets {
		if _, _, err := f.led(ctx); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, b.settings.Settle); err != nil {
		return nil, err
	}
	serverPID, err := b.server.APIServer.PID()
	if err != nil {
		return nil, err
	}
	busy := func() (server, gates time.Duration, err error) {
		if server, err = cpuTime(serverPID); err != nil {
			return 0, 0, err
		}
		for _, f := range fleets {
			own, err := cpuTime(f.replicas[0].gate.Process.Pid)
			if err != nil {
				return 0, 0, err
			}
			gates += own
		}
		return server, gates, nil
	}
	serverBefore, gatesBefore, err := busy()
	if err != nil {
		return nil, err
	}
	from := time.Now()
	if err := pause(ctx, b.settings.Idle); err != nil {
		return nil, err
	}
	serverAfter, gatesAfter, err := busy()
	if err != nil {
		return nil, err
	}
	to := time.Now()
	requests, err := b.server.Requests("")
	if err != nil {
		return nil, err
	}
	count := 0
	for _, q := range requests {
		if q.Stage == "RequestReceived" && q.Verb != "watch" && q.ObjectRef.Resource == "leases" && q.ObjectRef.Namespace == b.namespace &&
			q.Received.After(from) && q.Received.Before(to) {
			count++
		}
	}
	passed := to.Sub(from)
	return map[string]float64{
		manyRequests: float64(count) / passed.Seconds(),
		manyServer:   (serverAfter - serverBefore).Seconds() / passed.Seconds(),
		manyGate:     ms(gatesAfter-gatesBefore) / float64(len(fleets)) / passed.Minutes(),
	}, nil
}
