package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// environment replaces all of our variables by those given; keys are without
// the prefix.
func environment(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		key, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(key, Prefix+"_") {
			t.Setenv(key, value) // puts it back afterwards
			if err := os.Unsetenv(key); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range vars {
		t.Setenv(Prefix+"_"+name, value)
	}
}

// elected are the variables that an election cannot do without, and more.
func elected(more map[string]string) map[string]string {
	vars := map[string]string{
		"ENABLED": "1", "NAME": "shop", "LOCK_NAME": "shop-lock", "LOCK_NAMESPACE": "prod", "IDENTITY": "shop-0",
	}
	for name, value := range more {
		vars[name] = value
	}
	return vars
}

func mustLoad(t *testing.T, args ...string) *Config {
	t.Helper()
	c, err := Load(args)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// What the kubelet adds for a Service whose name is anybody's choice. HEALTH_PORT is
// dealt with where it is read.
func TestVariables_OfOursAndTheirsAreNotThoseOfAServiceButForTheHealthPort(t *testing.T) {
	t.Parallel()
	for _, name := range theirWords {
		if serviceLink.MatchString(name) && name != "HEALTH_PORT" && !strings.HasPrefix(name, "KUBERNETES_") {
			t.Errorf("a Service can set %s", name)
		}
	}
	for _, v := range Variables() {
		if serviceLink.MatchString(v.Name) {
			t.Errorf("a Service can set %s", v.Name)
		}
	}
}

func TestLoad_FillsDefaultsWhenOnlyTheRequiredIsSet(t *testing.T) {
	environment(t, elected(nil))
	got := mustLoad(t, "server", "-p", "80")
	got.origins = nil
	want := &Config{
		Command: []string{"server", "-p", "80"}, Enabled: true,
		Name: "shop", LockName: "shop-lock", LockNamespace: "prod", Identity: "shop-0", LockType: Leases,
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		ServiceNamespace: "prod", ServicePublish: PublishAuto, OnLost: Exit,
		LogLevel: slog.LevelInfo, LogFormat: Text,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoad_TreatsEmptyOptionalVariablesAsUnset(t *testing.T) {
	environment(t, elected(nil))
	unset := mustLoad(t, "server")
	for _, r := range table {
		if os.Getenv(Prefix+"_"+r.name) == "" {
			t.Setenv(Prefix+"_"+r.name, "")
		}
	}
	if empty := mustLoad(t, "server"); !reflect.DeepEqual(empty, unset) {
		t.Errorf("empty %+v\nunset %+v", empty, unset)
	}
}

func TestLoad_ReadsEveryVariable(t *testing.T) {
	environment(t, elected(map[string]string{
		"LOCK_TYPE": "configmaps", "LEASE_DURATION": "30", "RENEW_DEADLINE": "20s", "RETRY_PERIOD": "1500ms",
		"KUBECONFIG": "/kube/config", "STATUS_ENDPOINT": ":9999",
		"SERVICE_NAME": "shop", "SERVICE_NAMESPACE": "front", "SERVICE_PORTS_JSON": "[]", "SERVICE_PUBLISH": "both",
		"POD_IP": "fd00::7, 10.0.0.7", "NODE_NAME": "node-1.example.org",
		"ON_LOST": "standby", "STOP_SIGNAL": "QUIT", "STOP_TIMEOUT": "2.5",
		"READINESS_PROBE_JSON": "r", "LIVENESS_PROBE_JSON": "l", "STARTUP_PROBE_JSON": "s",
		"POD_NAME": "shop-0", "POD_NAMESPACE": "prod", "POD_UID": "uid",
		"LOG_LEVEL": "debug", "LOG_FORMAT": "json", "LOCK_DIR": "/lock",
	}))
	got := mustLoad(t, "server")
	got.origins = nil
	want := &Config{
		Command: []string{"server"}, Enabled: true,
		Name: "shop", LockName: "shop-lock", LockNamespace: "prod", Identity: "shop-0", LockType: ConfigMaps,
		LeaseDuration: 30 * time.Second, RenewDeadline: 20 * time.Second, RetryPeriod: 1500 * time.Millisecond,
		Kubeconfig: "/kube/config", StatusEndpoint: ":9999",
		ServiceName: "shop", ServiceNamespace: "front", ServicePortsJSON: "[]", ServicePublish: PublishBoth,
		PodIPs:   []netip.Addr{netip.MustParseAddr("fd00::7"), netip.MustParseAddr("10.0.0.7")},
		NodeName: "node-1.example.org", OnLost: Standby, StopSignal: "QUIT", StopTimeout: 2500 * time.Millisecond,
		ReadinessProbeJSON: "r", LivenessProbeJSON: "l", StartupProbeJSON: "s",
		PodName: "shop-0", PodNamespace: "prod", PodUID: "uid",
		LogLevel: slog.LevelDebug, LogFormat: JSON,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoad_IgnoresVariablesWithoutThePrefix(t *testing.T) {
	environment(t, elected(nil))
	want := mustLoad(t, "server")
	for _, r := range table {
		t.Setenv(r.name, "unprefixed")
	}
	if got := mustLoad(t, "server"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoad_LetsFlagsWinOverVariables(t *testing.T) {
	environment(t, elected(map[string]string{"LEASE_DURATION": "nonsense", "LOCK_NAME": "other", "LOG_FORMAT": "json"}))
	c := mustLoad(t, "--lease-duration", "30", "-lock-name=mine", "--log-format=", "--node-name", "first", "--node-name", "last", "server")
	if c.LeaseDuration != 30*time.Second || c.LockName != "mine" || c.LogFormat != Text || c.NodeName != "last" {
		t.Errorf("got %+v", c)
	}
}

func TestLoad_TakesEveryVariableAsAFlag(t *testing.T) {
	// Not all go together.
	for name, row := range map[string]struct {
		not     []string
		command []string
	}{
		"gate":                   {not: []string{"STATUS_FILE", "STATUS_DIR", "STATUS_FILE_EXPIRY"}, command: []string{"server"}},
		"sidecar with a file":    {not: append(ofCommands(), "ENABLED", "STATUS_DIR")},
		"sidecar with two files": {not: append(ofCommands(), "ENABLED", "STATUS_FILE")},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, nil)
			args, vars := []string{}, map[string]string{}
			for _, r := range table {
				switch {
				case slices.Contains(row.not, r.name):
					continue
				case r.name == "ENABLED":
					args = append(args, "--enabled")
				default:
					args = append(args, flagOf(r.name), r.example)
				}
				vars[r.name] = r.example
			}
			got := mustLoad(t, append(args, row.command...)...)
			got.origins = nil

			environment(t, vars)
			want := mustLoad(t, append([]string{}, row.command...)...)
			want.origins = nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if got.Sidecar != (row.command == nil) || got.Enabled == got.Sidecar {
				t.Errorf("enabled %v, sidecar %v", got.Enabled, got.Sidecar)
			}
		})
	}
}

// ofCommands are the variables that a sidecar has no use for.
func ofCommands() []string {
	var names []string
	for _, r := range table {
		if r.use == commands {
			names = append(names, r.name)
		}
	}
	return names
}

func TestLoad_SplitsOptionsFromTheCommand(t *testing.T) {
	environment(t, nil)
	rows := []struct {
		name    string
		args    []string
		command []string
		enabled bool
	}{
		{"a command named like an action runs", []string{"install", "-m", "755", "a", "b"}, []string{"install", "-m", "755", "a", "b"}, false},
		{"options after the command are the command's", []string{"server", "--help", "--version", "--enabled"}, []string{"server", "--help", "--version", "--enabled"}, false},
		{"two dashes begin a command with a dash", []string{"--", "--help"}, []string{"--help"}, false},
		{"a command may be named like an option", []string{"--", "--exec", "--", "x"}, []string{"--exec", "--", "x"}, false},
		{"only the first two dashes are ours", []string{"--", "env", "--", "x"}, []string{"env", "--", "x"}, false},
		{"one dash alone is a command", []string{"-", "x"}, []string{"-", "x"}, false},
		{"--enabled does not swallow the command", append(required("--enabled"), "server"), []string{"server"}, true},
		{"--enabled takes an empty value for off", append(required("--enabled="), "server"), []string{"server"}, false},
		{"a value may look like an unknown option", append(required("--enabled"), "--stop-signal", "-15", "server"), []string{"server"}, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := mustLoad(t, row.args...)
			if !slices.Equal(c.Command, row.command) || c.Enabled != row.enabled || c.Action != Run {
				t.Errorf("action %v, enabled %v, command %q", c.Action, c.Enabled, c.Command)
			}
		})
	}
}

func required(first ...string) []string {
	return append(first, "--name=n", "--lock-name=l", "--lock-namespace=ns", "--identity=i")
}

func TestLoad_LooksAtNothingButTheCommandWhenOff(t *testing.T) {
	vars := map[string]string{}
	for _, r := range table {
		vars[r.name] = "!"
	}
	vars["ENABLED"] = ""
	environment(t, vars)
	c := mustLoad(t, "server")
	if c.Enabled || !slices.Equal(c.Command, []string{"server"}) || len(c.Warnings) != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestLoad_KnowsTheActions(t *testing.T) {
	vars := map[string]string{}
	for _, r := range table {
		vars[r.name] = "!"
	}
	environment(t, vars) // a bad environment is no obstacle
	rows := []struct {
		args   []string
		action Action
		target string
	}{
		{[]string{"--install", "/shared"}, Install, "/shared"},
		{[]string{"-install=/shared"}, Install, "/shared"},
		{[]string{"--check", "http://localhost:9999/readyz"}, Check, "http://localhost:9999/readyz"},
		{[]string{"--version"}, Version, ""},
		{[]string{"--help"}, Help, ""},
		{[]string{"-h"}, Help, ""},
		{[]string{"--help", "--no-such-option", "server"}, Help, ""},
	}
	for _, row := range rows {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			c := mustLoad(t, row.args...)
			if c.Action != row.action || c.Target != row.target {
				t.Errorf("got action %v of %q", c.Action, c.Target)
			}
		})
	}
}

func TestLoad_NeedsOnlyTheEndpointForStatus(t *testing.T) {
	environment(t, map[string]string{"STATUS_ENDPOINT": ":1", "LEASE_DURATION": "!", "LOG_LEVEL": "!", "ENABLED": "1"})
	c := mustLoad(t, "--status")
	if c.Action != Status || c.StatusEndpoint != ":1" {
		t.Errorf("got %+v", c)
	}
}

func TestLoad_JoinsTheCallersMistakesToItsOwn(t *testing.T) {
	cause := errors.New("no such signal")
	check := func(c *Config) error { return c.Mistake("STOP_SIGNAL", cause) }
	fine := func(*Config) error { return nil }

	environment(t, elected(map[string]string{"STOP_SIGNAL": "X", "LEASE_DURATION": "x"}))
	_, err := Load([]string{"server"}, fine, check)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "_LEASE_DURATION:") || !strings.Contains(err.Error(), "_STOP_SIGNAL:") {
		t.Errorf("got %v", err)
	}

	environment(t, elected(nil))
	if _, err := Load([]string{"server"}, check); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if _, err := Load([]string{"server"}, fine); err != nil {
		t.Errorf("got %v", err)
	}

	environment(t, map[string]string{"STOP_SIGNAL": "X"})
	if _, err := Load([]string{"server"}, check); err != nil {
		t.Errorf("without an election: %v", err)
	}
}

func TestLoad_TakesTheLongestNamesAndALoopbackAddress(t *testing.T) {
	lock, namespace := strings.Repeat("l", 253), strings.Repeat("n", 63)
	environment(t, elected(map[string]string{"LOCK_NAME": lock, "LOCK_NAMESPACE": namespace, "POD_IP": "127.0.0.1"}))
	c := mustLoad(t, "server")
	if c.LockName != lock || c.LockNamespace != namespace || !slices.Equal(c.PodIPs, []netip.Addr{netip.MustParseAddr("127.0.0.1")}) {
		t.Errorf("got %+v", c)
	}
}

// Where the Pod of a command is, nobody guesses.
func TestLoad_TakesTheLocksNamespaceForNoPodWithACommand(t *testing.T) {
	environment(t, elected(map[string]string{"POD_NAME": "shop-0"}))
	if c := mustLoad(t, "server"); c.PodNamespace != "" {
		t.Errorf("got %q", c.PodNamespace)
	}
}

func TestLoad_TakesFileLocks(t *testing.T) {
	environment(t, elected(map[string]string{"LOCK_TYPE": "file", "LOCK_DIR": "/lock", "LOCK_NAME": "My Lock", "LOCK_NAMESPACE": "Any One"}))
	c := mustLoad(t, "server")
	if c.LockType != File || c.LockDir != "/lock" || c.LockName != "My Lock" || c.LockNamespace != "Any One" {
		t.Errorf("got %+v", c)
	}
}

func TestLoad_WarnsOfWhatWasHardlyMeant(t *testing.T) {
	rows := []struct {
		name string
		vars map[string]string
		args []string
		want []string // one substring for each warning, in order
	}{
		{"ENABLED that reads like off", elected(map[string]string{"ENABLED": "False"}), nil, []string{"K8S_AWAIT_ELECTION_ENABLED reads like off"}},
		{"options without --enabled", nil, []string{"--lock-name=x", "--name=y"}, []string{"K8S_AWAIT_ELECTION_ENABLED is not set"}},
		{"a log option alone is no election", nil, []string{"--log-level=debug"}, nil},
		{"a misspelt variable", elected(map[string]string{"LEASE_DURATON": "5"}), nil,
			[]string{"K8S_AWAIT_ELECTION_LEASE_DURATON is not a variable of this program and is ignored; did you mean K8S_AWAIT_ELECTION_LEASE_DURATION?"}},
		{"a misspelt switch", map[string]string{"ENABLE": "1"}, nil, []string{"did you mean K8S_AWAIT_ELECTION_ENABLED?"}},
		{"an unknown variable like none", elected(map[string]string{"COLOUR_OF_THE_SKY": "blue"}), nil, []string{"COLOUR_OF_THE_SKY is not a variable of this program and is ignored"}},
		{"service links and an outer gate's token are not misspelt", elected(map[string]string{
			"FENCING_TOKEN": "7", "SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "80", "SERVICE_PORT_HTTP": "80",
			"PORT": "tcp://10.0.0.1:80", "PORT_80_TCP": "x", "PORT_80_TCP_ADDR": "x", "SHOP_SERVICE_HOST": "x",
		}), nil, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			environment(t, row.vars)
			c := mustLoad(t, append(row.args, "server")...)
			if len(c.Warnings) != len(row.want) {
				t.Fatalf("got %q, want %q", c.Warnings, row.want)
			}
			for i, want := range row.want {
				if !strings.Contains(c.Warnings[i], want) {
					t.Errorf("warning %q lacks %q", c.Warnings[i], want)
				}
			}
		})
	}
}

func TestLoad_TakesEveryStopSignalThatCanEndACommand(t *testing.T) {
	for _, signal := range []string{"TERM", "QUIT", "SIGINT", "KILL", "9", "WINCH", "SIGWINCH", "28", "RTMIN+3", "USR1", "no signal"} {
		environment(t, elected(map[string]string{"STOP_SIGNAL": signal}))
		if c := mustLoad(t, "server"); c.StopSignal != signal {
			t.Errorf("%s became %q", signal, c.StopSignal)
		}
	}
}

func TestLoad_RefusesEveryStopSignalThatEndsNoCommand(t *testing.T) {
	for _, signal := range []string{
		"STOP", "SIGSTOP", "stop", "19", "TSTP", "20", "TTIN", "21", "TTOU", "22", "CONT", "18", "CHLD", "CLD", "17", "SIGURG", "23", "019",
	} {
		environment(t, elected(map[string]string{"STOP_SIGNAL": signal}))
		if _, err := Load([]string{"server"}); err == nil || !strings.Contains(err.Error(), "_STOP_SIGNAL: ") {
			t.Errorf("%s: got %v", signal, err)
		}
	}
}
