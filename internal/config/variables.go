package config

import "strings"

// settings are the values as they came. envconfig derives the names of the
// variables from those of the fields. There are no alternate-name tags: with
// one, envconfig would also read the variable without the prefix.
type settings struct {
	Enabled            string `split_words:"true"`
	Name               string `split_words:"true"`
	LockName           string `split_words:"true"`
	LockNamespace      string `split_words:"true"`
	Identity           string `split_words:"true"`
	LockType           string `split_words:"true"`
	LockDir            string `split_words:"true"`
	LeaseDuration      string `split_words:"true"`
	RenewDeadline      string `split_words:"true"`
	RetryPeriod        string `split_words:"true"`
	Kubeconfig         string `split_words:"true"`
	StatusEndpoint     string `split_words:"true"`
	ServiceName        string `split_words:"true"`
	ServiceNamespace   string `split_words:"true"`
	ServicePortsJSON   string `split_words:"true"`
	ServicePublish     string `split_words:"true"`
	PodIP              string `split_words:"true"`
	NodeName           string `split_words:"true"`
	OnLost             string `split_words:"true"`
	StopSignal         string `split_words:"true"`
	StopTimeout        string `split_words:"true"`
	ReadinessProbeJSON string `split_words:"true"`
	LivenessProbeJSON  string `split_words:"true"`
	StartupProbeJSON   string `split_words:"true"`
	PodName            string `split_words:"true"`
	PodNamespace       string `split_words:"true"`
	PodUID             string `split_words:"true"`
	PodLabel           string `split_words:"true"`
	StatusFile         string `split_words:"true"`
	StatusDir          string `split_words:"true"`
	StatusFileExpiry   string `split_words:"true"`
	LogLevel           string `split_words:"true"`
	LogFormat          string `split_words:"true"`
}

// Variable describes one variable for people.
type Variable struct {
	// Name is the full name, with the prefix.
	Name string
	// Flag is the option of the same words, with its two dashes.
	Flag string
	// Meaning is one sentence without a full stop.
	Meaning string
	// Default is what holds when the variable is unset or empty, in words.
	// Empty: nothing does.
	Default string
	// Example is a value.
	Example string
	// Required says that an election of a command needs it.
	Required bool
}

// use is what a variable is for.
type use int

const (
	elections use = iota
	commands      // elections of a command alone
	sidecars      // sidecars alone
)

// row is a variable in the one table that options, errors, Usage and the
// README are made from.
type row struct {
	name     string // without the prefix
	value    func(*settings) *string
	meaning  string
	fallback string
	example  string
	required bool
	use      use
}

var table = []row{
	{name: "ENABLED", value: func(s *settings) *string { return &s.Enabled },
		meaning: "any non-empty value turns the election on", fallback: "off: the command runs at once", example: "1"},
	{name: "NAME", value: func(s *settings) *string { return &s.Name },
		meaning: "name of the election, for logs and Events", example: "my-app", required: true},
	{name: "LOCK_NAME", value: func(s *settings) *string { return &s.LockName },
		meaning: "name of the Lease (or other lock) that all replicas share", example: "my-app", required: true},
	{name: "LOCK_NAMESPACE", value: func(s *settings) *string { return &s.LockNamespace },
		meaning: "namespace of the lock", example: "default", required: true},
	{name: "IDENTITY", value: func(s *settings) *string { return &s.Identity },
		meaning: "name of this replica, different for each; usually the Pod's name", example: "my-app-0", required: true},
	{name: "LOCK_TYPE", value: func(s *settings) *string { return &s.LockType },
		meaning: "where the lock is kept: `leases`, `configmaps`, `endpoints`, or `file` for one machine without a cluster", fallback: string(Leases), example: "leases"},
	{name: "LOCK_DIR", value: func(s *settings) *string { return &s.LockDir },
		meaning: "directory of the lock; required for, and only used by, the lock type `file`", example: "/var/lock/my-app"},
	{name: "LEASE_DURATION", value: func(s *settings) *string { return &s.LeaseDuration },
		meaning: "how long the others wait after a leader's last sign; seconds, or a duration such as `1500ms`; at least one second", fallback: "15", example: "15"},
	{name: "RENEW_DEADLINE", value: func(s *settings) *string { return &s.RenewDeadline },
		meaning: "how long a leader that cannot renew goes on before it stops the command", fallback: "2/3 of the lease: 10", example: "10"},
	{name: "RETRY_PERIOD", value: func(s *settings) *string { return &s.RetryPeriod },
		meaning: "time between two renewals", fallback: "2/15 of the lease: 2", example: "2"},
	{name: "KUBECONFIG", value: func(s *settings) *string { return &s.Kubeconfig },
		meaning: "kubeconfig file, outside a cluster; plain `KUBECONFIG` is not read", fallback: "in-cluster", example: "/etc/kubernetes/admin.conf"},
	{name: "STATUS_ENDPOINT", value: func(s *settings) *string { return &s.StatusEndpoint },
		meaning: "address of the HTTP server for status, probes and metrics", fallback: "no server", example: ":9999"},
	{name: "SERVICE_NAME", value: func(s *settings) *string { return &s.ServiceName },
		meaning: "Service without a selector whose traffic goes to the leader", example: "my-app"},
	{name: "SERVICE_NAMESPACE", value: func(s *settings) *string { return &s.ServiceNamespace },
		meaning: "namespace of the Service", fallback: "that of the lock", example: "default"},
	{name: "SERVICE_PORTS_JSON", value: func(s *settings) *string { return &s.ServicePortsJSON },
		meaning: "ports of the Service's endpoints; required with a Service", example: `[{"name":"http","port":8080}]`},
	{name: "SERVICE_PUBLISH", value: func(s *settings) *string { return &s.ServicePublish },
		meaning: "which objects carry the leader's address: `endpointslice`, `endpoints`, `both`, or `auto`", fallback: string(PublishAuto), example: "auto"},
	{name: "POD_IP", value: func(s *settings) *string { return &s.PodIP },
		meaning: "the Pod's address, or one of each family with a comma between; required with a Service", example: "10.0.0.7,fd00::7"},
	{name: "NODE_NAME", value: func(s *settings) *string { return &s.NodeName },
		meaning: "the Pod's node, told to clients of the Service", example: "node-1"},
	{name: "ON_LOST", value: func(s *settings) *string { return &s.OnLost },
		meaning: "after a lost lease: `exit` (status 75), or `standby` to wait for another turn", fallback: "exit; sidecar: standby", example: "exit"},
	{name: "STOP_SIGNAL", use: commands, value: func(s *settings) *string { return &s.StopSignal },
		meaning: "signal that stops the command; the image's own STOPSIGNAL cannot be seen", fallback: "TERM, or the signal received", example: "QUIT"},
	{name: "STOP_TIMEOUT", use: commands, value: func(s *settings) *string { return &s.StopTimeout },
		meaning: "time the command has to end before it is killed, after a stop signal", fallback: "no limit", example: "25"},
	{name: "READINESS_PROBE_JSON", use: commands, value: func(s *settings) *string { return &s.ReadinessProbeJSON },
		meaning: "a Kubernetes probe with numeric ports, run against the command; decides when traffic is sent", example: `{"httpGet":{"path":"/","port":8080}}`},
	{name: "LIVENESS_PROBE_JSON", use: commands, value: func(s *settings) *string { return &s.LivenessProbeJSON },
		meaning: "likewise, for `/livez`", example: `{"tcpSocket":{"port":8080}}`},
	{name: "STARTUP_PROBE_JSON", use: commands, value: func(s *settings) *string { return &s.StartupProbeJSON },
		meaning: "likewise, for `/startupz`", example: `{"exec":{"command":["/ready"]}}`},
	{name: "POD_NAME", value: func(s *settings) *string { return &s.PodName },
		meaning: "the Pod's name", example: "my-app-0"},
	{name: "POD_NAMESPACE", value: func(s *settings) *string { return &s.PodNamespace },
		meaning: "the Pod's namespace", example: "default"},
	{name: "POD_UID", value: func(s *settings) *string { return &s.PodUID },
		meaning: "the Pod's UID; proves that a restarted container is in the same Pod", example: "3f1c2a52-1d0b-4f38-9a53-6f0e5ad0c3a1"},
	{name: "POD_LABEL", value: func(s *settings) *string { return &s.PodLabel },
		meaning: "label that tells the leader's Pod from the others, `KEY=LEADER/STANDBY` (the values default to `leader` and `standby`), for a Service that selects by it", example: "example.org/role"},
	{name: "STATUS_FILE", use: sidecars, value: func(s *settings) *string { return &s.StatusFile },
		meaning: "sidecar: absolute path of a file that exists exactly while this replica leads, with its identity inside; not with the lock type `file`", example: "/run/leader/leader"},
	{name: "STATUS_DIR", use: sidecars, value: func(s *settings) *string { return &s.StatusDir },
		meaning: "sidecar, in place of `STATUS_FILE`: directory for a file `leader` or a file `follower`; made if missing", example: "/run/leader"},
	{name: "STATUS_FILE_EXPIRY", use: sidecars, value: func(s *settings) *string { return &s.StatusFileExpiry },
		meaning: "`true`: the leader's file also tells when the lease ends, and the fencing token", fallback: "false", example: "true"},
	{name: "LOG_LEVEL", value: func(s *settings) *string { return &s.LogLevel },
		meaning: "`debug`, `info`, `warn` or `error`", fallback: "info", example: "info"},
	{name: "LOG_FORMAT", value: func(s *settings) *string { return &s.LogFormat },
		meaning: "`text` or `json`, to standard error", fallback: string(Text), example: "text"},
}

// Variables lists every variable, in the order in which they are explained.
func Variables() []Variable {
	all := make([]Variable, 0, len(table))
	for _, r := range table {
		all = append(all, Variable{
			Name:     Prefix + "_" + r.name,
			Flag:     flagOf(r.name),
			Meaning:  r.meaning,
			Default:  r.fallback,
			Example:  r.example,
			Required: r.required,
		})
	}
	return all
}

// exampleOf returns the example of the variable with this name.
func exampleOf(name string) string {
	for _, r := range table {
		if r.name == name {
			return r.example
		}
	}
	return ""
}

// flagOf turns LEASE_DURATION into --lease-duration.
func flagOf(name string) string {
	return "--" + strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}
