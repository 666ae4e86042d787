package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// validator moves settings into a Config and gathers what is wrong with them.
// It never puts a value into a mistake.
type validator struct {
	config   *Config
	set      *settings
	machine  machine
	mistakes []error
	// proportions are the durations where they are not set.
	proportions proportions
}

// mistake notes what is wrong with a variable, in the word by which it was given.
func (v *validator) mistake(variable, what string) {
	v.mistakes = append(v.mistakes, fmt.Errorf("%s: %s, for example %s", v.config.origins.key(variable), what, v.config.origins.example(variable)))
}

func (v *validator) warn(variable, what string) {
	v.config.Warnings = append(v.config.Warnings, v.config.origins.key(variable)+" "+what)
}

// require returns the value, which must not be empty.
func (v *validator) require(variable, value string) string {
	if value == "" {
		v.mistake(variable, "is required, and missing or empty; set it")
	}
	return value
}

// named returns the value, which must be empty or satisfy is.
func (v *validator) named(variable, value string, is func(string) bool, kind string) string {
	if value != "" && !is(value) {
		v.mistake(variable, "cannot be the name of "+kind+"; give lower-case letters, digits and dashes")
	}
	return value
}

// duration reads a duration; an empty one is fallback.
func (v *validator) duration(variable, value string, fallback time.Duration) (time.Duration, bool) {
	if value == "" {
		return fallback, true
	}
	d, err := parseDuration(value)
	if err != nil {
		v.mistake(variable, err.Error())
		return 0, false
	}
	return d, true
}

// choice reads one of a few words; an empty one is the first.
func choice[T ~string](v *validator, variable, value string, words ...T) T {
	if value == "" {
		return words[0]
	}
	if !slices.Contains(words, T(value)) {
		list := make([]string, len(words))
		for i, w := range words {
			list[i] = string(w)
		}
		v.mistake(variable, "not one of "+strings.Join(list, ", ")+"; give one of these")
		return words[0]
	}
	return T(value)
}

// command: without one there is nothing to elect and nothing to run.
func (v *validator) command() {
	if len(v.config.Command) > 0 && v.config.Command[0] != "" {
		return
	}
	if v.config.Enabled {
		v.mistakes = append(v.mistakes, errors.New(v.config.origins.key("ENABLED")+": is set, but there is no command to elect; put one after the options, for example k8s-await-election my-server --port 80"))
		return
	}
	v.mistakes = append(v.mistakes, errors.New("no command to run, and no lock to be a sidecar for; put a command after the options, or name a lock by --lock-name, by -election as k8s-elector had it or by LEASE_NAME as leader-elector had it, for example k8s-await-election my-server --port 80, or see --help"))
}

// lock: where the record is, and what it takes to reach it.
func (v *validator) lock() {
	c, set := v.config, v.set
	c.LockType = choice(v, "LOCK_TYPE", set.LockType, Leases, ConfigMaps, Endpoints, File)
	c.LockName = v.require("LOCK_NAME", set.LockName)
	c.LockNamespace = v.require("LOCK_NAMESPACE", set.LockNamespace)
	c.Kubeconfig = set.Kubeconfig
	if c.LockType == File {
		c.LockDir = v.require("LOCK_DIR", set.LockDir)
		v.named("LOCK_NAME", set.LockName, isFileName, "a file of at most 200 bytes")
		return
	}
	v.named("LOCK_NAME", set.LockName, isSubdomain, "a Kubernetes object")
	v.named("LOCK_NAMESPACE", set.LockNamespace, isLabel, "a namespace")
}

// isFileName leaves room for endings within NAME_MAX (255 bytes), and keeps the
// lock inside its directory.
func isFileName(s string) bool {
	return len(s) <= 200 && s != "." && s != ".." && !strings.ContainsAny(s, "/\x00")
}

// election: all that is not about the lock and names.
func (v *validator) election() {
	c, set := v.config, v.set
	v.durations()
	v.endpoint()
	v.traffic()
	c.OnLost = choice(v, "ON_LOST", set.OnLost, Exit, Standby)
	v.stopSignal()
	c.StopTimeout, _ = v.duration("STOP_TIMEOUT", set.StopTimeout, 0)
	c.ReadinessProbeJSON, c.LivenessProbeJSON, c.StartupProbeJSON = set.ReadinessProbeJSON, set.LivenessProbeJSON, set.StartupProbeJSON
	c.PodName = v.named("POD_NAME", set.PodName, isSubdomain, "a Pod")
	c.PodNamespace = v.named("POD_NAMESPACE", set.PodNamespace, isLabel, "a namespace")
	if c.Sidecar && c.PodName != "" && c.PodNamespace == "" {
		c.PodNamespace = c.LockNamespace // where both older tools look for the Pod
	}
	c.PodUID = set.PodUID
	v.podLabel()
	v.statusFile()
	v.use()
}

// maxIdentity is the length of the longest names in Kubernetes, in bytes.
const maxIdentity = 253

// names: of the election for people, and of this replica.
func (v *validator) names() {
	c := v.config
	c.Name = v.set.Name
	if !c.Sidecar { // whose election has its lock's name
		v.require("NAME", c.Name)
	}
	c.Identity = v.require("IDENTITY", v.set.Identity)
	if len(c.Identity) > maxIdentity || strings.ContainsFunc(c.Identity, unicode.IsControl) {
		v.mistake("IDENTITY", "longer than 253 bytes, or of more than one line; give a name")
	}
	if !utf8.ValidString(c.Identity) { // JSON would give another one back
		v.mistake("IDENTITY", "not UTF-8, so that no record can name this replica by it; give a name")
	}
}

// podLabel: whose label it is. What it says is for the room that writes it.
func (v *validator) podLabel() {
	c := v.config
	c.PodLabel = v.set.PodLabel
	switch {
	case c.PodLabel == "":
	case c.LockType == File:
		v.mistake("POD_LABEL", "does not go with the lock type file, which knows no cluster; leave it unset, or use the lock type leases with a label")
	case c.PodName == "" || c.PodNamespace == "":
		v.mistake("POD_LABEL", "needs "+Prefix+"_POD_NAME and "+Prefix+"_POD_NAMESPACE; set them from the fields metadata.name and metadata.namespace, beside the label")
	}
}

// endpoint: where the HTTP server listens.
func (v *validator) endpoint() {
	v.config.StatusEndpoint = v.set.StatusEndpoint
	if v.set.StatusEndpoint != "" && !isListenAddress(v.set.StatusEndpoint) {
		v.mistake("STATUS_ENDPOINT", "not an address to listen on; give host:port or :port")
	}
}

// isListenAddress resolves no host name: that is the listener's to do.
func isListenAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		return false
	}
	_, err = net.LookupPort("tcp", port) // a number, or a name from the services list
	return err == nil
}

// traffic: the Service, and the Pod it leads to.
func (v *validator) traffic() {
	c, set := v.config, v.set
	c.ServiceName = v.named("SERVICE_NAME", set.ServiceName, isLabel, "a Service")
	c.ServiceNamespace = v.named("SERVICE_NAMESPACE", set.ServiceNamespace, isLabel, "a namespace")
	if c.ServiceNamespace == "" {
		c.ServiceNamespace = c.LockNamespace
	}
	c.ServicePortsJSON = set.ServicePortsJSON
	c.ServicePublish = choice(v, "SERVICE_PUBLISH", set.ServicePublish, PublishAuto, PublishEndpointSlice, PublishEndpoints, PublishBoth)
	c.NodeName = v.named("NODE_NAME", set.NodeName, isSubdomain, "a node")
	if err := v.podIPs(set.PodIP); err != nil {
		v.mistake("POD_IP", err.Error())
	}
	if c.ServiceName == "" {
		return
	}
	if set.PodIP == "" {
		v.mistake("POD_IP", "is required with "+Prefix+"_SERVICE_NAME, to lead the Service to this Pod; set it from the field status.podIPs")
	}
	if set.ServicePortsJSON == "" {
		v.mistake("SERVICE_PORTS_JSON", "is required with "+Prefix+"_SERVICE_NAME; set it")
	}
	if c.LockType == File {
		v.mistake("SERVICE_NAME", "does not go with the lock type file, which knows no cluster; leave it unset, or use the lock type leases with a name")
	}
}

// podIPs reads one address of each family at most.
func (v *validator) podIPs(list string) error {
	if list == "" {
		return nil
	}
	var families [2]bool
	for text := range strings.SplitSeq(list, ",") {
		ip, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil || ip.Zone() != "" || ip.Is4In6() {
			return errors.New("not an IP address, or not a list of such with commas between; give one address of each family at most")
		}
		// Kubernetes refuses these as endpoints.
		if v.set.ServiceName != "" && (ip.IsUnspecified() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast()) {
			return errors.New("an address that other Pods cannot reach (unspecified, loopback, link-local or multicast); give the Pod's own")
		}
		family := 0
		if ip.Is6() {
			family = 1
		}
		if families[family] {
			return errors.New("two addresses of one family; give one of each at most")
		}
		families[family] = true
		v.config.PodIPs = append(v.config.PodIPs, ip)
	}
	return nil
}

// logging is read whatever the action, for there may be warnings to log.
func (v *validator) logging() {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	v.config.LogLevel = levels[choice(v, "LOG_LEVEL", v.set.LogLevel, "info", "debug", "warn", "error")]
	v.config.LogFormat = choice(v, "LOG_FORMAT", v.set.LogFormat, Text, JSON)
}

// enabledByMistake: LINBIT's tool takes any non-empty value as well, so it
// cannot be refused.
func (v *validator) enabledByMistake() {
	switch strings.ToLower(v.set.Enabled) {
	case "0", "false", "f", "no", "n", "off":
		v.warn("ENABLED", "reads like off, but any non-empty value turns the election on; leave it unset or empty to turn it off")
	}
}

// disabledByMistake: who writes options for an election wants one.
func (v *validator) disabledByMistake() {
	for variable := range v.config.origins {
		if variable != "ENABLED" && variable != "LOG_LEVEL" && variable != "LOG_FORMAT" {
			v.warn("ENABLED", "is not set, so the command runs without an election in spite of the options given; add --enabled")
			return
		}
	}
}
