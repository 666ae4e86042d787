package config

import (
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

const (
	// leaderStatus is where leader-elector keeps its files unless STATUS_DIR is set.
	leaderStatus = "/tmp/leader_status"
	// leaderHealth is the port of its /healthz unless HEALTH_PORT is set.
	leaderHealth = "8080"
	// token is the last thing that client-go needs to find itself in a cluster.
	token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// leaderElector takes over what leader-elector's environment says, where our own
// variables say nothing.
func (v *validator) leaderElector() {
	set := v.set
	v.fill(&set.LockName, "LOCK_NAME", "LEASE_NAME", "my-app")
	v.fill(&set.LockNamespace, "LOCK_NAMESPACE", "NAMESPACE", "default")
	if set.StatusFile == "" {
		v.fill(&set.StatusDir, "STATUS_DIR", "STATUS_DIR", leaderStatus)
		v.config.StatusPathGuessed = set.StatusDir == "" && set.LockType != string(File)
		switch {
		case !v.config.StatusPathGuessed: // of a lock that is a file itself none may tell
		case v.machine.has(leaderStatus, fs.FileMode.IsDir):
			set.StatusDir = leaderStatus
		default:
			set.StatusFile = leaderStatus // which its README's script tests for
		}
	}
	v.health()
	v.role()
	v.fork()
	if set.Kubeconfig == "" && !v.inCluster() {
		v.fill(&set.Kubeconfig, "KUBECONFIG", "KUBECONFIG", "/etc/kubernetes/admin.conf")
	}
}

// fork: variables of a fork of leader-elector that mean nothing to this program.
func (v *validator) fork() {
	for _, r := range [][2]string{
		{"LE_LEASE_DURATION", "LEASE_DURATION"},
		{"LE_RENEW_DEADLINE", "RENEW_DEADLINE"},
		{"LE_RETRY_PERIOD", "RETRY_PERIOD"},
		{"LEASE_DIRECTORY", "STATUS_DIR"},
	} {
		if os.Getenv(r[0]) != "" {
			v.config.Warnings = append(v.config.Warnings, r[0]+" is of a fork of leader-elector, and is not read; set "+Prefix+"_"+r[1]+" in its place")
		}
	}
}

// serviceAddress matches what the kubelet puts into <service>_PORT, as in
// tcp://10.0.0.1:80.
var serviceAddress = regexp.MustCompile(`^(tcp|udp|sctp)://.+:[0-9]+$`)

// health: the port of /healthz.
func (v *validator) health() {
	port := os.Getenv("HEALTH_PORT")
	if serviceAddress.MatchString(port) {
		v.config.Warnings = append(v.config.Warnings, "HEALTH_PORT is the address of a Service called health, which Kubernetes adds to every container of its namespace, and is ignored: /healthz is on port "+leaderHealth+"; set enableServiceLinks: false for the Pod, or HEALTH_PORT to a number for this container")
		port = ""
	}
	if port == "" {
		port = leaderHealth
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		v.wrong("HEALTH_PORT", "not a port; give a number from 1 to 65535", "8080")
		return
	}
	if v.set.StatusEndpoint != ":"+port {
		v.config.HealthEndpoint = ":" + port
	}
}

// role: the label of the Pod.
func (v *validator) role() {
	switch os.Getenv("LABEL_POD_ROLE") {
	case "true":
	case "", "false":
		return
	default:
		v.config.Warnings = append(v.config.Warnings, "LABEL_POD_ROLE is not `true`, so the Pod is not labelled; set it to true, or leave it unset")
		return
	}
	v.fill(&v.set.PodName, "POD_NAME", "POD_NAME", "my-app-0")
	if v.set.PodName == "" {
		v.wrong("POD_NAME", "is required with LABEL_POD_ROLE, and missing or empty; set it from the field metadata.name", "my-app-0")
		return
	}
	if v.set.PodLabel == "" {
		v.set.PodLabel = "role=leader/follower"
	}
}

// inCluster reports whether client-go would find itself in a cluster.
func (v *validator) inCluster() bool {
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" && os.Getenv("KUBERNETES_SERVICE_PORT") != "" &&
		v.machine.has(token, fs.FileMode.IsRegular)
}
