// Package probe runs the user's liveness, readiness and startup probes against
// the gate's command, so that the kubelet, which can only ask the gate, gets
// answers about the command.
//
// It guarantees that
//   - a probe means what it means to the kubelet: the same JSON, defaults,
//     validation and rules of success (Parse, and the files http.go, tcp.go,
//     grpc.go, exec.go);
//   - at most one run of each probe is in flight, however many requests ask;
//   - nobody waits for a probe longer than its timeout, even if what it asks
//     never answers (Ready may wait for two probes, the startup probe first);
//   - initialDelaySeconds and the startup probe's patience count from the start
//     of the command, not of the container, which may have stood by for weeks.
//
// It refuses to decide when the container is restarted: Live, Ready and Startup
// answer for one moment, and periods and thresholds of these answers stay the
// kubelet's. Only Watch, which moves traffic, counts by itself.
//
// Called by app, which tells Checks when the command starts and ends and hands
// it to the gate (Watch) and to the HTTP server (Live, Ready, Startup). The
// probes are the gate's because on a standby there is nothing to probe.
package probe
