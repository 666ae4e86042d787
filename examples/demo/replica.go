package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// replica is one gate with the server behind it, started any number of times.
// It belongs to the demo's main goroutine.
type replica struct {
	name    string
	command []string
	env     []string
	logPath string

	gate  *exec.Cmd     // nil before the first start
	ended chan struct{} // closed when the present gate has ended
}

func newReplica(o options, folder, runs, name string) *replica {
	env := []string{
		"NAME=" + name,
		"K8S_AWAIT_ELECTION_ENABLED=1",
		"K8S_AWAIT_ELECTION_NAME=demo",
		"K8S_AWAIT_ELECTION_LOCK_NAME=" + o.name,
		"K8S_AWAIT_ELECTION_LOCK_NAMESPACE=" + o.namespace,
		"K8S_AWAIT_ELECTION_IDENTITY=" + name,
	}
	if o.lock == "file" {
		env = append(env, "K8S_AWAIT_ELECTION_LOCK_TYPE=file", "K8S_AWAIT_ELECTION_LOCK_DIR="+folder)
	} else {
		env = append(env,
			"K8S_AWAIT_ELECTION_LOCK_TYPE=leases",
			"K8S_AWAIT_ELECTION_KUBECONFIG="+os.Getenv("KUBECONFIG"),
			fmt.Sprintf("K8S_AWAIT_ELECTION_LEASE_DURATION=%s", leaseDuration),
			fmt.Sprintf("K8S_AWAIT_ELECTION_RENEW_DEADLINE=%s", renewDeadline),
			fmt.Sprintf("K8S_AWAIT_ELECTION_RETRY_PERIOD=%s", retryPeriod),
		)
	}
	return &replica{
		name:    name,
		command: []string{o.gate, o.server, "-listen", fmt.Sprintf("127.0.0.1:%d", o.port), "-record", runs},
		env:     append(withoutOurs(os.Environ()), env...),
		logPath: filepath.Join(folder, "replica-"+name+".log"),
	}
}

// withoutOurs leaves out what would configure the gates from outside.
func withoutOurs(environ []string) []string {
	var kept []string
	for _, variable := range environ {
		if !strings.HasPrefix(variable, "K8S_AWAIT_ELECTION_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// start runs the gate in a session of its own, so that Ctrl-C reaches the demo
// alone. A demo that is killed takes its replicas along. It must be called from
// the thread that lives as long as the demo.
func (r *replica) start() (err error) {
	log, err := os.OpenFile(r.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the gate has its own copy
	gate := exec.Command(r.command[0], r.command[1:]...)
	gate.Env = r.env
	gate.Stdout, gate.Stderr = log, log
	gate.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	if err := gate.Start(); err != nil {
		return fmt.Errorf("start replica %s: %w", r.name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = gate.Wait() // what came of it is in ProcessState
		close(ended)
	}()
	r.gate, r.ended = gate, ended
	return nil
}

// running reports whether the gate has been started and has not ended.
func (r *replica) running() bool {
	if r.gate == nil {
		return false
	}
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// signal sends to the gate alone. A gate that has ended is no error.
func (r *replica) signal(s syscall.Signal) {
	if r.running() {
		_ = r.gate.Process.Signal(s)
	}
}

// fate tells how the gate ended, as in «exit status 0» or «signal: killed».
func (r *replica) fate() string {
	if r.gate == nil || r.running() {
		return ""
	}
	return r.gate.ProcessState.String()
}

// pid is the gate's process id, 0 before the first start.
func (r *replica) pid() int {
	if r.gate == nil {
		return 0
	}
	return r.gate.Process.Pid
}
