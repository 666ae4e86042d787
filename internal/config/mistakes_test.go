package config

import (
	"errors"
	"strings"
	"testing"
)

// secret stands in every bad value; it must never be seen again.
const secret = "hunter2"

func TestLoad_NamesKeyReasonAndExample(t *testing.T) {
	with := func(more ...string) map[string]string {
		vars := map[string]string{}
		for i := 0; i < len(more); i += 2 {
			vars[more[i]] = more[i+1]
		}
		return elected(vars)
	}
	service := func(more ...string) map[string]string {
		return with(append([]string{"SERVICE_NAME", "s", "SERVICE_PORTS_JSON", "[]", "POD_IP", "10.0.0.1"}, more...)...)
	}
	rows := []struct {
		name string
		vars map[string]string
		args []string
		want []string // substrings for each line of the error, in order, joined by « … »
	}{
		{"all required variables missing", map[string]string{"ENABLED": "1"}, []string{"server"}, []string{
			"K8S_AWAIT_ELECTION_NAME: … missing … example my-app",
			"K8S_AWAIT_ELECTION_IDENTITY: … missing",
			"K8S_AWAIT_ELECTION_LOCK_NAME: … missing",
			"K8S_AWAIT_ELECTION_LOCK_NAMESPACE: … missing … example default",
		}},
		{"all required variables empty", with("NAME", "", "IDENTITY", "", "LOCK_NAME", "", "LOCK_NAMESPACE", ""), []string{"server"}, []string{
			"_NAME: … empty", "_IDENTITY: … empty", "_LOCK_NAME: … empty", "_LOCK_NAMESPACE: … empty",
		}},
		{"a required flag empty", with(), []string{"--name=", "server"}, []string{"K8S_AWAIT_ELECTION_NAME (--name): … empty"}},
		{"enabled without a command", with(), nil, []string{"K8S_AWAIT_ELECTION_ENABLED: … no command … example k8s-await-election"}},
		{"enabled with an empty command", with(), []string{""}, []string{"_ENABLED: … no command"}},
		{"neither enabled nor a command", nil, nil, []string{"no command … example"}},
		{"neither enabled nor a command after two dashes", nil, []string{"--"}, []string{"no command"}},

		{"a lease that is no duration", with("LEASE_DURATION", secret), []string{"server"}, []string{"_LEASE_DURATION: not a duration … example 15"}},
		{"a lease with a unit of its own", with("LEASE_DURATION", "15x"+secret), []string{"server"}, []string{"_LEASE_DURATION: not a duration"}},
		{"a lease of half a unit", with("LEASE_DURATION", "1h30"), []string{"server"}, []string{"_LEASE_DURATION: not a duration"}},
		{"a lease given as a flag", with(), []string{"--lease-duration", secret, "server"}, []string{"K8S_AWAIT_ELECTION_LEASE_DURATION (--lease-duration): not a duration"}},
		{"a negative lease", with("LEASE_DURATION", "-15"), []string{"server"}, []string{"_LEASE_DURATION: must be more than zero"}},
		{"a lease of nothing", with("LEASE_DURATION", "0"), []string{"server"}, []string{"_LEASE_DURATION: must be more than zero"}},
		{"a lease under a second", with("LEASE_DURATION", "999ms"), []string{"server"}, []string{"_LEASE_DURATION: shorter than a second"}},
		{"a lease beyond what a record holds", with("LEASE_DURATION", "2147483648"), []string{"server"}, []string{"_LEASE_DURATION: longer than"}},
		{"a lease beyond what a duration holds", with("LEASE_DURATION", "99999999999999"), []string{"server"}, []string{"_LEASE_DURATION: not a duration, or too long"}},
		{"a deadline as long as the lease", with("RENEW_DEADLINE", "15"), []string{"server"}, []string{"_RENEW_DEADLINE: must be less than the lease duration (15 s unless set) … example 10"}},
		{"a lease shorter than the deadline", with("LEASE_DURATION", "5", "RENEW_DEADLINE", "10"), []string{"server"}, []string{"_RENEW_DEADLINE: must be less than the lease"}},
		{"a period as long as the deadline", with("RETRY_PERIOD", "10", "RENEW_DEADLINE", "10"), []string{"server"}, []string{"_RETRY_PERIOD: must be so short"}},
		{"a period that client-go refuses too", with("RETRY_PERIOD", "5", "RENEW_DEADLINE", "6"), []string{"server"}, []string{"_RETRY_PERIOD: must be so short … example 2"}},
		{"a period longer than any default deadline", with("RETRY_PERIOD", "12"), []string{"server"}, []string{"_RETRY_PERIOD: must be so short"}},
		{"a period of nothing", with("RETRY_PERIOD", "0"), []string{"server"}, []string{"_RETRY_PERIOD: must be more than zero"}},
		{"a deadline of nothing", with("RENEW_DEADLINE", "0s"), []string{"server"}, []string{"_RENEW_DEADLINE: must be more than zero"}},
		{"a stop timeout of nothing", with("STOP_TIMEOUT", "0"), []string{"server"}, []string{"_STOP_TIMEOUT: must be more than zero … example 25"}},

		{"an unknown lock type", with("LOCK_TYPE", secret), []string{"server"}, []string{"_LOCK_TYPE: not one of leases, configmaps, endpoints, file"}},
		{"a file lock without a directory", with("LOCK_TYPE", "file"), []string{"server"}, []string{"_LOCK_DIR: … missing … example /var/lock/my-app"}},
		{"a file lock outside its directory", with("LOCK_TYPE", "file", "LOCK_DIR", "/l", "LOCK_NAME", "../"+secret), []string{"server"}, []string{"_LOCK_NAME: cannot be the name of a file"}},
		{"a file lock with a Service", service("LOCK_TYPE", "file", "LOCK_DIR", "/l"), []string{"server"}, []string{"_SERVICE_NAME: does not go with the lock type file"}},
		{"a lock that Kubernetes cannot name", with("LOCK_NAME", secret+"_"), []string{"server"}, []string{"_LOCK_NAME: cannot be the name of a Kubernetes object"}},
		{"a lock with too long a name", with("LOCK_NAME", strings.Repeat("a", 254)), []string{"server"}, []string{"_LOCK_NAME: cannot be"}},
		{"a namespace with a dot", with("LOCK_NAMESPACE", secret+".x"), []string{"server"}, []string{"_LOCK_NAMESPACE: cannot be the name of a namespace"}},
		{"a namespace with too long a name", with("LOCK_NAMESPACE", strings.Repeat("a", 64)), []string{"server"}, []string{"_LOCK_NAMESPACE: cannot be"}},
		{"other names that Kubernetes cannot have", with("POD_NAME", "A", "POD_NAMESPACE", "A", "NODE_NAME", "A"), []string{"server"}, []string{"_NODE_NAME: cannot", "_POD_NAME: cannot", "_POD_NAMESPACE: cannot"}},

		{"a Service that Kubernetes cannot name", service("SERVICE_NAME", "a.b", "SERVICE_NAMESPACE", "-"), []string{"server"}, []string{"_SERVICE_NAME: cannot be the name of a Service", "_SERVICE_NAMESPACE: cannot"}},
		{"a Service without an address", service("POD_IP", ""), []string{"server"}, []string{"_POD_IP: is required with … example 10.0.0.7"}},
		{"a Service without ports", service("SERVICE_PORTS_JSON", ""), []string{"server"}, []string{"_SERVICE_PORTS_JSON: is required with … example ["}},
		{"an address that is none", with("POD_IP", "10.0.0."+secret), []string{"server"}, []string{"_POD_IP: not an IP address … example"}},
		{"an address with an empty neighbour", with("POD_IP", "10.0.0.1,"), []string{"server"}, []string{"_POD_IP: not an IP address"}},
		{"an address with a zone", with("POD_IP", "fe80::1%"+secret), []string{"server"}, []string{"_POD_IP: not an IP address"}},
		{"an address in the other family's form", with("POD_IP", "::ffff:10.0.0.1"), []string{"server"}, []string{"_POD_IP: not an IP address"}},
		{"two addresses of one family", with("POD_IP", "10.0.0.1,10.0.0.2"), []string{"server"}, []string{"_POD_IP: two addresses of one family"}},
		{"a Service to an address nobody reaches", service("POD_IP", "127.0.0.1"), []string{"server"}, []string{"_POD_IP: an address that other Pods cannot reach"}},
		{"an unknown way to publish", with("SERVICE_PUBLISH", secret), []string{"server"}, []string{"_SERVICE_PUBLISH: not one of auto, endpointslice, endpoints, both"}},

		{"a status endpoint without a port", with("STATUS_ENDPOINT", secret), []string{"server"}, []string{"_STATUS_ENDPOINT: not an address … example :9999"}},
		{"a status endpoint with an empty port", with("STATUS_ENDPOINT", "localhost:"), []string{"server"}, []string{"_STATUS_ENDPOINT: not an address"}},
		{"a status endpoint with no such port", with("STATUS_ENDPOINT", ":65536"), []string{"server"}, []string{"_STATUS_ENDPOINT: not an address"}},
		{"a status endpoint that is a URL", with("STATUS_ENDPOINT", "http://localhost:80/"), []string{"server"}, []string{"_STATUS_ENDPOINT: not an address"}},

		{"an unknown way out", with("ON_LOST", secret), []string{"server"}, []string{"_ON_LOST: not one of exit, standby"}},
		{"a stop signal that halts", with("STOP_SIGNAL", "SIGSTOP"), []string{"server"}, []string{"_STOP_SIGNAL: no command ends on this signal … wait … example QUIT"}},
		{"a stop signal that halts given as a flag", with(), []string{"--stop-signal=sigtstp", "server"}, []string{"_STOP_SIGNAL (--stop-signal): no command ends on this signal"}},
		{"unknown logging", with("LOG_LEVEL", secret, "LOG_FORMAT", secret), []string{"server"}, []string{"_LOG_LEVEL: not one of", "_LOG_FORMAT: not one of text, json"}},
		{"mistakes in many places", map[string]string{"ENABLED": "1", "NAME": "n", "LOCK_NAME": "l", "POD_IP": "x", "LEASE_DURATION": "x", "LOG_FORMAT": "x"}, nil, []string{
			"_LOG_FORMAT: …", "_ENABLED: …", "_IDENTITY: …", "_LOCK_NAMESPACE: …", "_LEASE_DURATION: …", "_POD_IP: …",
		}},

		{"an unknown option", nil, []string{"--lease-duraton", secret, "server"}, []string{"unknown option --lease-duraton before the command; did you mean --lease-duration?"}},
		{"an unknown option like none", nil, []string{"--colour-of-the-sky=" + secret, "server"}, []string{"unknown option --colour-of-the-sky before the command; see --help … example"}},
		{"an unknown option with a value glued to it", nil, []string{"-pHUNTER2" + secret, "server"}, []string{"unknown option before the command; see --help"}},
		{"an unknown option among others", nil, []string{"--bogus-a=1", "--install=", "--bogus-b=2", "server"}, []string{"--bogus-a", "--install: needs", "--bogus-b"}},
		{"words after an unknown option, which may be its value", nil, []string{"--bogus-a", "--bogus-b=2", "server"}, []string{"--bogus-a"}},
		{"an option at the end without its value", nil, []string{"--name"}, []string{"--name: needs a value, for example --name=my-app"}},
		{"an option before another without its value", nil, []string{"--name", "--identity", secret, "server"}, []string{"--name: needs a value"}},
		{"an option of the command before it", with(), []string{"--exec", "server"}, []string{"unknown option --exec before the command; see --help … write -- before a command"}},
		{"an action with a value it does not take", nil, []string{"--version=" + secret}, []string{"--version: takes no value"}},
		{"two actions", nil, []string{"--status", "--version"}, []string{"two of --install"}},
		{"an action and a command", nil, []string{"--version", secret}, []string{"a command was given beside"}},
		{"an installation to nowhere", nil, []string{"--install="}, []string{"--install: needs a directory or a file, for example"}},
		{"a check of no URL", nil, []string{"--check", "ftp://" + secret}, []string{"--check: not an http or https URL; … example"}},
		{"a check of a broken URL", nil, []string{"--check", "http://" + secret + ":port/"}, []string{"--check: not an http or https URL"}},
		{"a status without an endpoint", nil, []string{"--status"}, []string{"_STATUS_ENDPOINT: … missing … example :9999"}},
		{"a status of no endpoint", nil, []string{"--status", "--status-endpoint", secret}, []string{"_STATUS_ENDPOINT (--status-endpoint): not an address"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			environment(t, row.vars)
			c, err := Load(row.args)
			if err == nil {
				t.Fatalf("no error, but %+v", c)
			}
			if c != nil {
				t.Error("a Config beside an error")
			}
			if strings.Contains(strings.ToLower(err.Error()), secret) {
				t.Errorf("the value is in %q", err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(row.want) {
				t.Fatalf("got %d mistakes, want %d:\n%v", len(lines), len(row.want), err)
			}
			for i, want := range row.want {
				if !containsInOrder(lines[i], strings.Split(want, " … ")) {
					t.Errorf("mistake %q is not %q", lines[i], want)
				}
			}
		})
	}
}

func containsInOrder(s string, parts []string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(s, strings.Trim(part, " …"))
		if !found {
			return false
		}
		s = after
	}
	return true
}

func TestLoad_NeverPrintsAValue(t *testing.T) {
	vars := map[string]string{"UNKNOWN_KEY": secret}
	for _, r := range table {
		vars[r.name] = secret + "_\n"
	}
	environment(t, vars)
	args := []string{}
	for _, r := range table {
		args = append(args, flagOf(r.name)+"="+secret+"=\n")
	}
	var theirs []string
	for _, f := range electorFlags {
		theirs = append(theirs, "-"+f.name+"="+secret+"=\n")
	}
	for _, name := range theirWords {
		t.Setenv(name, secret+"_\n")
	}
	for _, args := range [][]string{
		{"server"}, append(args, "server"), {"--status"}, {"--" + secret + "=" + secret},
		{"--enabled="}, append(args, "--enabled="), append(theirs, "--enabled="), {"--enabled=", "--lock-name="},
	} {
		_, err := Load(args)
		if err == nil {
			t.Fatalf("no error with %q", args)
		}
		// Our own values, in the form in which fmt would print them.
		for _, form := range []string{secret + "_", secret + "=", "=" + secret} {
			if strings.Contains(err.Error(), form) {
				t.Errorf("a value is in: %v", err)
			}
		}
	}

	environment(t, elected(map[string]string{"ENABLED": "off", "LOCK_DIR": secret, "RENEW_DEADLINE": "14.777s", "NO_SUCH": secret}))
	c := mustLoad(t, "server")
	if len(c.Warnings) != 3 {
		t.Errorf("got warnings %q", c.Warnings)
	}
	for _, w := range c.Warnings {
		if strings.Contains(w, secret) || strings.Contains(w, "14.777") {
			t.Errorf("a value is in: %s", w)
		}
	}
}

func TestKey_IsTheWordThatTheUserKnows(t *testing.T) {
	for _, row := range []struct {
		ours, theirs map[string]string
		args         []string
		want         string
	}{
		{map[string]string{"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod"}, nil, nil, "K8S_AWAIT_ELECTION_KUBECONFIG"},
		{nil, nil, []string{"-election=my-app", "-kubeconfig=/none"}, "-kubeconfig"},
		{nil, nil, []string{"-election=my-app"}, "-kubeconfig"},
		{map[string]string{"KUBECONFIG": "/none"}, nil, []string{"-election=my-app"}, "K8S_AWAIT_ELECTION_KUBECONFIG"},
		{nil, map[string]string{"LEASE_NAME": "my-app", "NAMESPACE": "prod", "KUBECONFIG": "/none"}, nil, "KUBECONFIG"},
	} {
		surroundings(t, row.ours, row.theirs)
		c, err := load(row.args, host("my-app-0"))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Key("KUBECONFIG"); got != row.want {
			t.Errorf("%v, %v, %q: %s, want %s", row.ours, row.theirs, row.args, got, row.want)
		}
	}
}

func TestMistake_NamesWhereTheValueCameFrom(t *testing.T) {
	environment(t, elected(nil))
	c := mustLoad(t, "--stop-signal=x", "server")
	cause := errors.New("no such signal")
	for variable, want := range map[string]string{
		"STOP_SIGNAL":        "K8S_AWAIT_ELECTION_STOP_SIGNAL (--stop-signal): no such signal",
		"SERVICE_PORTS_JSON": "K8S_AWAIT_ELECTION_SERVICE_PORTS_JSON: no such signal",
	} {
		if err := c.Mistake(variable, cause); err.Error() != want || !errors.Is(err, cause) {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	if err := c.Mistake("STOP_SIGNAL", nil); err != nil {
		t.Errorf("got %v for nil", err)
	}
}
