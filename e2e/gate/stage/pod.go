package stage

import (
	"os"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
)

// Pod is what a container is started from; starting it again is what the kubelet
// does when it restarts one.
type Pod struct {
	// Name is the identity in the election.
	Name string
	// UID is the Pod's. Empty: the gate is not told it.
	UID string
	// Env is set besides what every gate on the stage has, or in place of it;
	// names are without the prefix. An empty value unsets a variable.
	Env map[string]string
	// Actor are further arguments of the actor.
	Actor []string
	// Command is what the gate is given; nil: the actor. For a sidecar these are
	// its arguments, and it has a process of its own and nothing else.
	Command []string
	// Environ is the whole environment but for PATH, for a sidecar in the words of
	// an older tool: of the stage's own variables none is set then.
	Environ []string
	// Status is the address of the status server where Command or Environ give one.
	Status string
	// Wrapper is a command line that executes the gate, in the same process.
	Wrapper []string
	// Kubeconfig is the access to the API server; empty: that of the stage's
	// user.
	Kubeconfig string
	// Proxy is on the way to the API server; nil: nothing is.
	Proxy *faultproxy.Proxy
	// Network is the network namespace; nil: the test's, which it shares with
	// all other Pods.
	Network *Network
	// NotInit runs the gate in the PID namespace of the test.
	NotInit bool
	// User runs the gate as somebody else.
	User *syscall.Credential
}

// isInit tells whether the gate is process 1 of a PID namespace of its own: as
// in a container, where that is permitted.
func (p Pod) isInit() bool { return !p.NotInit && IsRoot() }

// IsRoot tells whether this process may make namespaces.
func IsRoot() bool { return os.Geteuid() == 0 }

// environ is the whole environment of the gate.
func (p Pod) environ(defaults map[string]string) []string {
	if p.Environ != nil {
		return append([]string{"PATH=" + os.Getenv("PATH")}, p.Environ...)
	}
	variables := map[string]string{}
	for name, value := range defaults {
		variables[name] = value
	}
	for name, value := range p.Env {
		variables[name] = value
	}
	environ := []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range variables {
		if value != "" {
			environ = append(environ, "K8S_AWAIT_ELECTION_"+name+"="+value)
		}
	}
	return environ
}
