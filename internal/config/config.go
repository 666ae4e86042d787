// Package config turns the environment and the arguments of the program into
// one validated Config, or into a list of everything that is wrong with them.
//
// It guarantees that a Config it returns is complete and free of contradiction
// as far as that can be told without asking anybody, that all mistakes are
// reported at once, each with the key, the reason and an example, and that no
// error and no warning contains a value: a value may be a secret that ended up
// under the wrong key. It refuses to guarantee that files, hosts and objects
// named here exist, and leaves the texts that other rooms have a parser for (the
// JSON ones, and the name of the stop signal) as they are: the caller has them
// parsed in a check that it gives to Load, and puts the key around what those
// rooms find wrong with Config.Mistake.
//
// internal/app calls Load once, at start. Every error of it is a bad
// configuration (exit status 78).
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/kelseyhightower/envconfig"
)

// Prefix begins the name of every variable that is read. Nothing else in the
// environment has a meaning here: a plain KUBECONFIG, POD_NAME or NAMESPACE is
// common in containers and says nothing about this program. The exception are
// sidecars that are started in the words of an older tool.
const Prefix = "K8S_AWAIT_ELECTION"

// Action is what the program was asked to do.
type Action int

const (
	// Run is the main job: run Config.Command, elected if Config.Enabled, or tell
	// who leads if Config.Sidecar.
	Run Action = iota
	// Install copies the program to Config.Target, a directory or a file.
	Install
	// Status prints who leads, as the gate at Config.StatusEndpoint tells it.
	Status
	// Check fetches Config.Target, an http or https URL.
	Check
	// Version prints the version.
	Version
	// Help prints Usage.
	Help
)

// LockType is where the record of the election is kept.
type LockType string

// The lock types.
const (
	Leases     LockType = "leases"
	ConfigMaps LockType = "configmaps"
	Endpoints  LockType = "endpoints"
	File       LockType = "file"
)

// Publish is which objects lead clients of the Service to the leader.
type Publish string

// The ways to publish.
const (
	PublishAuto          Publish = "auto"
	PublishEndpointSlice Publish = "endpointslice"
	PublishEndpoints     Publish = "endpoints"
	PublishBoth          Publish = "both"
)

// OnLost is what follows when the lease is lost and the command is dead.
type OnLost string

// What may follow the loss of a lease.
const (
	Exit    OnLost = "exit"
	Standby OnLost = "standby"
)

// LogFormat is how log lines are written.
type LogFormat string

// The log formats.
const (
	Text LogFormat = "text"
	JSON LogFormat = "json"
)

// Config is what the program was told. Which fields are valid depends on Action,
// Enabled and Sidecar: Warnings, LogLevel and LogFormat are always; Target is for
// Install and Check; Command is for Run without Sidecar; all others are for Run
// with Enabled or Sidecar, and StatusEndpoint for Status too. It is not changed
// after Load, so any goroutine may read it.
type Config struct {
	Action Action
	// Target is the argument of --install or --check.
	Target string
	// Command is the command with its arguments; for Run it is empty only with
	// Sidecar.
	Command []string
	// Enabled says that Command has to be elected first. Neither Enabled nor
	// Sidecar: the program is to be replaced by Command at once, whatever else
	// is configured.
	Enabled bool
	// Sidecar says that there is no command, and others are told who leads. It
	// excludes Enabled, the stop signal and timeout, and the probes.
	Sidecar bool

	// Name names the election for people, in logs and Events.
	Name string
	// LockName and LockNamespace name the lock, Identity this candidate.
	LockName, LockNamespace, Identity string
	LockType                          LockType
	// LockDir is the directory of the file lock; set if LockType is File.
	LockDir string

	// LeaseDuration, RenewDeadline and RetryPeriod are as internal/elector
	// wants them: a lease of at least a second, a deadline below the lease less
	// its kill margin, a period below that deadline.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration

	// Kubeconfig is the path of a kubeconfig file; empty: in-cluster.
	Kubeconfig string

	// StatusEndpoint is the address to listen on, as net.Listen takes it;
	// empty: no HTTP server.
	StatusEndpoint string
	// HealthEndpoint is an address that answers GET /healthz with 200 and «ok»
	// from the start to the end, for sidecars that an older tool's manifest
	// started; that it is taken is worth a warning only. Empty: none, or
	// StatusEndpoint is the same address.
	HealthEndpoint string

	// StatusFile is the absolute path of a file that exists exactly while this
	// replica leads. Empty: none.
	StatusFile string
	// StatusDir is the absolute path of a directory, to be made if missing, with
	// the file leader while this replica leads and follower else. Empty: none. At
	// most one of StatusFile and StatusDir is set, and only with Sidecar.
	StatusDir string
	// StatusPathGuessed says that StatusFile or StatusDir is where leader-elector
	// keeps its files unless it is told another place. Nobody may have asked for
	// them, so that they cannot be written is worth a warning only.
	StatusPathGuessed bool
	// StatusFileExpiry asks for the lease's expiry and the fencing token in
	// StatusFile, or in the file leader of StatusDir.
	StatusFileExpiry bool

	// ServiceName is the Service to lead to this Pod; empty: none, and the
	// other Service fields mean nothing.
	ServiceName, ServiceNamespace string
	// ServicePortsJSON is unparsed; not empty where ServiceName is not.
	ServicePortsJSON string
	ServicePublish   Publish
	// PodIPs has at most one address of each family, in the order given; not
	// empty where ServiceName is not.
	PodIPs   []netip.Addr
	NodeName string

	OnLost OnLost
	// StopSignal is the unparsed name of a signal; empty: the signal received.
	StopSignal string
	// StopTimeout is how long the command has to end after a stop signal, above
	// zero; zero: for ever.
	StopTimeout time.Duration

	// ReadinessProbeJSON, LivenessProbeJSON and StartupProbeJSON are unparsed;
	// empty: no probe.
	ReadinessProbeJSON, LivenessProbeJSON, StartupProbeJSON string

	// PodName, PodNamespace and PodUID are this Pod, as far as it was told.
	PodName, PodNamespace, PodUID string
	// PodNameGuessed says that PodName is the host's name, as k8s-elector took it
	// for the Pod's. That there is no such Pod is no mistake then.
	PodNameGuessed bool
	// PodLabel is the label of the leader's Pod, unparsed; PodName and
	// PodNamespace are set with it. Empty: none.
	PodLabel string

	LogLevel  slog.Level
	LogFormat LogFormat

	// Warnings are sentences to log once the logger exists.
	Warnings []string

	origins origins
}

// Load reads the environment of the process and args, the arguments without
// the program's name. On an error, which joins all mistakes, the Config is nil;
// only a mistake in the options themselves is reported without those in the
// environment, because it hides which of the words that follow are options.
//
// The checks are called for an election alone, with everything read, though
// perhaps with mistakes of our own; theirs are joined to ours.
func Load(args []string, checks ...func(*Config) error) (*Config, error) {
	return load(args, thisMachine, checks...)
}

func load(args []string, on machine, checks ...func(*Config) error) (*Config, error) {
	var set settings
	// All fields are strings, so envconfig has nothing to convert and its
	// errors, which print values, cannot occur.
	if err := envconfig.Process(Prefix, &set); err != nil {
		return nil, errors.New("read the environment: unexpected answer of its parser")
	}
	line, err := parseArguments(args, &set)
	if err != nil {
		return nil, err
	}
	c := &Config{
		Action:   line.action,
		Target:   line.target,
		Command:  line.command,
		Enabled:  set.Enabled != "",
		Warnings: unknownVariables(os.Environ()),
		origins:  line.origins,
	}
	v := &validator{config: c, set: &set, machine: on, proportions: ours}
	if c.Action == Run && !c.Enabled && len(c.Command) == 0 {
		v.sidecar(line.elector)
	}
	v.logging()
	switch {
	case c.Action == Status:
		v.mistakes = nil // it has one need, and must help where the rest is wrong
		if line.elector["http"] != "" {
			v.take(&set.StatusEndpoint, "STATUS_ENDPOINT", line.elector, "http")
		}
		v.require("STATUS_ENDPOINT", set.StatusEndpoint)
		v.endpoint()
	case c.Action != Run:
		return c, nil // needs nothing, and must work under any environment
	case c.Enabled, c.Sidecar:
		if c.Enabled {
			v.command()
			v.noSidecar(line.elector)
		}
		v.names()
		v.lock()
		v.election()
		v.enabledByMistake()
		for _, check := range checks {
			if err := check(c); err != nil {
				v.mistakes = append(v.mistakes, err)
			}
		}
	default:
		v.mistakes = nil // an image with the program in it must run unchanged
		v.command()
		v.noSidecar(line.elector)
		v.disabledByMistake()
	}
	if len(v.mistakes) > 0 {
		return nil, errors.Join(v.mistakes...)
	}
	return c, nil
}

// Key names a variable (given without the prefix) in the word by which its value
// came, for those who tell of it.
func (c *Config) Key(variable string) string { return c.origins.key(variable) }

// Mistake puts the key of a variable (its name without the prefix, such as
// SERVICE_PORTS_JSON) before what another room found wrong with its value; nil
// stays nil.
func (c *Config) Mistake(variable string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", c.origins.key(variable), err)
}
