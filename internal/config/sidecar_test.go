package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// theirWords are the variables of k8s-elector and of leader-elector, and those by
// which client-go finds itself in a cluster.
var theirWords = []string{
	"ELECTOR_POD_NAME",
	"LEASE_NAME", "NAMESPACE", "STATUS_DIR", "HEALTH_PORT", "LABEL_POD_ROLE", "POD_NAME", "KUBECONFIG",
	"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
}

// surroundings replaces our variables, whose keys are without the prefix, and all
// of those that an older tool reads.
func surroundings(t *testing.T, ours, theirs map[string]string) {
	t.Helper()
	environment(t, ours)
	for _, name := range theirWords {
		t.Setenv(name, "") // puts it back afterwards
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range theirs {
		t.Setenv(name, value)
	}
}

// host is a machine of that name with those files and directories; one that is a
// directory ends in a slash.
func host(name string, paths ...string) machine {
	files := fstest.MapFS{}
	for _, path := range paths {
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(path, "/") {
			mode = fs.ModeDir | 0o755
		}
		files[strings.Trim(path, "/")] = &fstest.MapFile{Mode: mode}
	}
	return machine{
		hostname: func() (string, error) { return name, nil },
		stat:     func(path string) (fs.FileInfo, error) { return files.Stat(strings.Trim(path, "/")) },
	}
}

func mustLoadOn(t *testing.T, on machine, args ...string) *Config {
	t.Helper()
	c, err := load(args, on)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	c.origins = nil
	return c
}

func expect(t *testing.T, got, want *Config) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// inTheirWords is a sidecar as the other rooms see it, but for what its words say.
func inTheirWords(more func(*Config)) *Config {
	c := &Config{
		Command: []string{}, Sidecar: true, Name: "my-app", LockName: "my-app", LockNamespace: "prod", Identity: "my-app-0", LockType: Leases,
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		ServicePublish: PublishAuto, OnLost: Standby, LogLevel: slog.LevelInfo, LogFormat: Text,
	}
	more(c)
	c.ServiceNamespace = c.LockNamespace
	return c
}

func TestLoad_MakesASidecarOfALockWithoutACommand(t *testing.T) {
	for name, row := range map[string]struct {
		ours map[string]string
		args []string
		more func(*Config)
	}{
		"the least": {map[string]string{"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "STATUS_ENDPOINT": ":1"}, []string{}, func(c *Config) {
			c.StatusEndpoint = ":1"
		}},
		"options in place of variables": {nil, []string{"--lock-name=my-app", "--lock-namespace", "prod", "--status-file", "/run/leader"}, func(c *Config) {
			c.StatusFile = "/run/leader"
		}},
		"two dashes and nothing behind them": {map[string]string{"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "STATUS_DIR": "/run"}, []string{"--"}, func(c *Config) {
			c.StatusDir = "/run"
		}},
		"ENABLED empty": {map[string]string{"ENABLED": "", "LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "STATUS_FILE": "/run/leader", "STATUS_FILE_EXPIRY": "true"}, []string{}, func(c *Config) {
			c.StatusFile, c.StatusFileExpiry = "/run/leader", true
		}},
		"all that has a default said otherwise": {map[string]string{
			"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "NAME": "shop", "IDENTITY": "me", "ON_LOST": "exit", "LEASE_DURATION": "30", "STATUS_FILE": "/run/leader",
		}, []string{}, func(c *Config) {
			c.Name, c.Identity, c.OnLost, c.StatusFile = "shop", "me", Exit, "/run/leader"
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 30*time.Second, 20*time.Second, 4*time.Second
		}},
		"the Pod's namespace for the lock's": {map[string]string{"LOCK_NAME": "my-app", "POD_NAMESPACE": "prod", "POD_NAME": "my-app-7", "POD_LABEL": "role"}, []string{}, func(c *Config) {
			c.PodName, c.PodNamespace, c.PodLabel = "my-app-7", "prod", "role"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			surroundings(t, row.ours, nil)
			expect(t, mustLoadOn(t, host("my-app-0"), row.args...), inTheirWords(row.more))
		})
	}
}

// NAMESPACE, POD_NAME, KUBECONFIG and the like stand in the environments of many
// programs; only the words that name an election begin one.
func TestLoad_TakesNoWordOfAnOlderToolThatNamesNoElection(t *testing.T) {
	theirs := map[string]string{
		"ELECTOR_POD_NAME": "!", "NAMESPACE": "!", "STATUS_DIR": "!", "HEALTH_PORT": "!", "LABEL_POD_ROLE": "true", "POD_NAME": "!", "KUBECONFIG": "!",
	}
	own := map[string]string{"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "STATUS_ENDPOINT": ":1"}
	surroundings(t, own, nil)
	want := mustLoadOn(t, host("my-app-0"))
	surroundings(t, own, theirs)
	expect(t, mustLoadOn(t, host("my-app-0")), want)

	surroundings(t, nil, theirs)
	if _, err := load(nil, host("my-app-0")); err == nil || !strings.Contains(err.Error(), "no command") {
		t.Errorf("got %v", err)
	}
}

// What a command is given is the command's, whatever it looks like.
func TestLoad_ReadsNoWordOfAnOlderToolBesideACommandOrEnabled(t *testing.T) {
	theirs := map[string]string{
		"ELECTOR_POD_NAME": "!", "LEASE_NAME": "!", "NAMESPACE": "!", "STATUS_DIR": "!", "HEALTH_PORT": "!", "LABEL_POD_ROLE": "true", "POD_NAME": "!", "KUBECONFIG": "!",
	}
	command := []string{"server", "-election=x", "-v", "4", "--id", "y"}
	for name, ours := range map[string]map[string]string{
		"enabled":     elected(nil),
		"not enabled": nil,
		"a lock":      {"LOCK_NAME": "shop-lock"},
	} {
		t.Run(name, func(t *testing.T) {
			surroundings(t, ours, nil)
			want := mustLoadOn(t, host("my-app-0"), command...)
			if want.Sidecar || !reflect.DeepEqual(want.Command, command) {
				t.Fatalf("sidecar %v, command %q", want.Sidecar, want.Command)
			}
			surroundings(t, ours, theirs)
			expect(t, mustLoadOn(t, host("my-app-0"), command...), want)
		})
	}
	surroundings(t, elected(nil), theirs)
	if _, err := load(nil, host("my-app-0")); err == nil || !strings.Contains(err.Error(), "_ENABLED: is set, but there is no command") {
		t.Errorf("enabled without a command: %v", err)
	}
}

func TestLoad_LetsOurOwnLockWinOverLeaseName(t *testing.T) {
	own := map[string]string{"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "STATUS_ENDPOINT": ":1"}
	surroundings(t, own, map[string]string{"LEASE_NAME": "other", "NAMESPACE": "other", "LABEL_POD_ROLE": "true"})
	got := mustLoadOn(t, host("my-app-0"))
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "_LOCK_NAME names the lock, so LEASE_NAME") {
		t.Errorf("warnings %q", got.Warnings)
	}
	got.Warnings = nil
	got.Command = []string{}
	expect(t, got, inTheirWords(func(c *Config) { c.StatusEndpoint = ":1" }))
}

func TestLoad_WarnsOfASidecarThatTellsNobody(t *testing.T) {
	for name, row := range map[string]struct {
		variable, value string
		warned          bool
	}{
		"nothing":    {"NODE_NAME", "node-1", true},
		"HTTP":       {"STATUS_ENDPOINT", ":1", false},
		"a file":     {"STATUS_FILE", "/run/leader", false},
		"two files":  {"STATUS_DIR", "/run/leader", false},
		"a label":    {"POD_LABEL", "role", false},
		"no warning": {"SERVICE_NAME", "shop", false},
	} {
		t.Run(name, func(t *testing.T) {
			surroundings(t, map[string]string{
				"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "POD_NAME": "my-app-0", "POD_NAMESPACE": "prod",
				"SERVICE_PORTS_JSON": "[]", "POD_IP": "10.0.0.1", row.variable: row.value,
			}, nil)
			c := mustLoadOn(t, host("my-app-0"))
			if warned := len(c.Warnings) == 1 && strings.Contains(c.Warnings[0], "nobody but the log is told"); warned != row.warned || len(c.Warnings) > 1 {
				t.Errorf("warnings %q", c.Warnings)
			}
		})
	}
}

// A sidecar's mistakes are told in the words that it was given.
func TestLoad_NamesWhatIsWrongWithASidecarInItsOwnWords(t *testing.T) {
	type vars = map[string]string
	own := func(more ...string) vars {
		all := vars{"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod", "STATUS_ENDPOINT": ":1"}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	leader := func(more ...string) vars {
		all := vars{"LEASE_NAME": "my-app", "NAMESPACE": "prod"}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	long := strings.Repeat("a", 254)
	rows := []struct {
		name   string
		ours   vars
		theirs vars
		args   []string
		want   []string // as in TestLoad_NamesKeyReasonAndExample
	}{
		{"nothing at all", nil, nil, nil, []string{"no command … --lock-name … -election … LEASE_NAME … example … --help"}},
		{"no election in our words", vars{"LOCK_NAMESPACE": "prod", "IDENTITY": "a"}, nil, nil, []string{"no command … name a lock by --lock-name"}},
		{"no election in k8s-elector's", nil, nil, []string{"-http=:80", "-v=2"}, []string{"-election, with which -http, -v of k8s-elector go: is required … example -election=my-app"}},
		{"k8s-elector's flags with our lock", own(), nil, []string{"-http=:80"}, []string{"-election, with which -http … is required"}},
		{"an empty election of k8s-elector", nil, nil, []string{"-election="}, []string{"-election: is required … empty; … example -election=my-app"}},
		{"an election at the end without its name", nil, nil, []string{"-election"}, []string{"-election: needs a value, for example -election=my-app"}},
		{"an empty election of leader-elector", nil, vars{"LEASE_NAME": "", "NAMESPACE": "prod"}, nil, []string{"no command"}},
		{"both older tools at once", nil, leader(), []string{"-election=my-app"}, []string{"-election and LEASE_NAME: … flags are k8s-elector's, the variable is leader-elector's … take one"}},
		{"both older tools at once, without the flag that names the lock", nil, leader(), []string{"-ttl=5s"}, []string{"-ttl and LEASE_NAME: … k8s-elector's … leader-elector's", "-election, with which -ttl"}},
		{"no namespace in our words", vars{"LOCK_NAME": "my-app"}, nil, nil, []string{"K8S_AWAIT_ELECTION_LOCK_NAMESPACE: is required"}},
		{"no namespace in leader-elector's", nil, vars{"LEASE_NAME": "my-app"}, nil, []string{"NAMESPACE: is required, and missing or empty; set it, for example default"}},

		{"an unknown lock type", nil, nil, []string{"-election=my-app", "-lock-type=" + secret}, []string{"-lock-type: not one of leases, configmaps, endpoints, file; … example -lock-type=leases"}},
		{"two locks in one, as client-go once had them", nil, nil, []string{"-election=my-app", "-lock-type", "configmapsleases"}, []string{"-lock-type: not one of leases … example -lock-type=leases"}},
		{"a ttl under a second", nil, nil, []string{"-election=my-app", "-ttl=900ms"}, []string{"-ttl: shorter than a second … example -ttl=10s"}},
		{"a ttl under two seconds on a ConfigMap", nil, nil, []string{"-election=my-app", "-lock-type=configmaps", "-ttl=1900ms"}, []string{"-ttl: shorter than two seconds … ConfigMap … whole seconds"}},
		{"a ttl of nothing", nil, nil, []string{"-election=my-app", "-ttl", "0"}, []string{"-ttl: must be more than zero"}},
		{"a ttl that is no duration", nil, nil, []string{"-election=my-app", "-ttl=" + secret}, []string{"-ttl: not a duration"}},
		{"a deadline beyond the ttl", vars{"RENEW_DEADLINE": "10"}, nil, []string{"-election=my-app"}, []string{"K8S_AWAIT_ELECTION_RENEW_DEADLINE: must be less than the lease duration (10 s unless set)"}},
		{"a period beyond k8s-elector's deadline", vars{"RETRY_PERIOD": "9"}, nil, []string{"-election=my-app"}, []string{"K8S_AWAIT_ELECTION_RETRY_PERIOD: … (1/3 of the lease unless set)"}},
		{"an id that is too long", nil, nil, []string{"-election=my-app", "-id=" + long}, []string{"-id: longer than 253 bytes, or of more than one line; … example -id=my-app-0"}},
		{"an id of two lines", nil, nil, []string{"-election=my-app", "-id=a\n" + secret}, []string{"-id: … more than one line"}},
		{"an identity of two lines", own("IDENTITY", "a\n"+secret), nil, nil, []string{"K8S_AWAIT_ELECTION_IDENTITY: … more than one line"}},
		{"an id that no record can hold", nil, nil, []string{"-election=my-app", "-id=" + secret + "\xff"}, []string{"-id: not UTF-8 … example -id=my-app-0"}},
		{"an address without a port", nil, nil, []string{"-election=my-app", "-http=" + secret}, []string{"-http: not an address to listen on … example -http=:4040"}},
		{"an election that Kubernetes cannot name", nil, nil, []string{"-election=my_app" + secret}, []string{"-election: cannot be the name of a Kubernetes object"}},
		{"a namespace that Kubernetes cannot name", nil, nil, []string{"-election=my-app", "-namespace=" + secret + ".x"}, []string{"-namespace: cannot be the name of a namespace"}},
		{"a Pod that Kubernetes cannot name", nil, vars{"ELECTOR_POD_NAME": secret + "_"}, []string{"-election=my-app"}, []string{"ELECTOR_POD_NAME: cannot be the name of a Pod … example my-app-0"}},
		{"a level that is no number", nil, nil, []string{"-election=my-app", "-v=" + secret}, []string{"-v: not a level … example -v=4"}},
		{"neither true nor false", nil, nil, []string{"-election=my-app", "-logtostderr=" + secret}, []string{"-logtostderr: neither true nor false … example -logtostderr=true"}},

		{"a lease that Kubernetes cannot name", nil, leader("LEASE_NAME", secret+"_"), nil, []string{"LEASE_NAME: cannot be the name of a Kubernetes object"}},
		{"a namespace with a dot", nil, leader("NAMESPACE", secret+".x"), nil, []string{"NAMESPACE: cannot be the name of a namespace"}},
		{"a relative directory", nil, leader("STATUS_DIR", secret+"/status"), nil, []string{"STATUS_DIR: not an absolute path"}},
		{"a health port that is none", nil, leader("HEALTH_PORT", secret), nil, []string{"HEALTH_PORT: not a port; … 1 to 65535, for example 8080"}},
		{"a health port beyond the last", nil, leader("HEALTH_PORT", "65536"), nil, []string{"HEALTH_PORT: not a port"}},
		{"a health port before the first", nil, leader("HEALTH_PORT", "0"), nil, []string{"HEALTH_PORT: not a port"}},
		{"a health port with an address", nil, leader("HEALTH_PORT", "127.0.0.1:80"), nil, []string{"HEALTH_PORT: not a port"}},
		{"a label without a Pod", nil, leader("LABEL_POD_ROLE", "true"), nil, []string{"POD_NAME: is required with LABEL_POD_ROLE … metadata.name, for example my-app-0"}},
		{"a label of a Pod that Kubernetes cannot name", nil, leader("LABEL_POD_ROLE", "true", "POD_NAME", secret+"_"), nil, []string{"POD_NAME: cannot be the name of a Pod"}},

		{"a relative file", own("STATUS_FILE", secret), nil, nil, []string{"_STATUS_FILE: not an absolute path … example /run/leader/leader"}},
		{"a relative file given as a flag", own(), nil, []string{"--status-file=./" + secret}, []string{"_STATUS_FILE (--status-file): not an absolute path"}},
		{"a directory for a file", own("STATUS_FILE", "/"+secret+"/"), nil, nil, []string{"_STATUS_FILE: a directory … give a file in it"}},
		{"a file and a directory", own("STATUS_FILE", "/"+secret, "STATUS_DIR", "/run"), nil, nil, []string{"_STATUS_DIR: does not go with K8S_AWAIT_ELECTION_STATUS_FILE"}},
		{"an expiry that is neither true nor false", own("STATUS_FILE", "/run/leader", "STATUS_FILE_EXPIRY", secret), nil, nil, []string{"_STATUS_FILE_EXPIRY: not one of false, true"}},
		{"an expiry without a file", own("STATUS_FILE_EXPIRY", "true"), nil, nil, []string{"_STATUS_FILE_EXPIRY: there is no file … example K8S_AWAIT_ELECTION_STATUS_FILE=/run"}},
		{"a file of a file lock", own("LOCK_TYPE", "file", "LOCK_DIR", "/lock", "STATUS_FILE", "/"+secret, "STATUS_FILE_EXPIRY", "true"), nil, nil, []string{"_STATUS_FILE: does not go with the lock type file … killed … another lock type … STATUS_ENDPOINT … command itself, … example --enabled"}},
		{"a directory of a file lock", own("LOCK_TYPE", "file", "LOCK_DIR", "/lock", "STATUS_DIR", "/"+secret), nil, nil, []string{"_STATUS_DIR: does not go with the lock type file"}},
		{"leader-elector's directory of a file lock", vars{"LOCK_TYPE": "file", "LOCK_DIR": "/lock"}, leader("STATUS_DIR", "/"+secret), nil, []string{"STATUS_DIR: does not go with the lock type file"}},
		{"a lock type in our words beside k8s-elector's", vars{"LOCK_TYPE": secret}, nil, []string{"-election=my-app"}, []string{"K8S_AWAIT_ELECTION_LOCK_TYPE: not one of"}},
		{"what is about a command", own("STOP_SIGNAL", "QUIT", "STOP_TIMEOUT", "5", "READINESS_PROBE_JSON", secret, "LIVENESS_PROBE_JSON", secret, "STARTUP_PROBE_JSON", secret), nil, nil, []string{
			"_STOP_SIGNAL: is about the command, and a sidecar has none; leave it unset, or give a command and --enabled",
			"_STOP_TIMEOUT: is about", "_READINESS_PROBE_JSON: is about", "_LIVENESS_PROBE_JSON: is about", "_STARTUP_PROBE_JSON: is about",
		}},
		{"what is for a sidecar, beside a command", elected(vars{"STATUS_FILE": "/" + secret, "STATUS_FILE_EXPIRY": "true"}), nil, []string{"server"}, []string{
			"_STATUS_FILE: is for a sidecar … leave it unset", "_STATUS_FILE_EXPIRY: is for a sidecar",
		}},
		{"many mistakes", vars{"LOG_FORMAT": secret}, vars{"ELECTOR_POD_NAME": "_"}, []string{"-ttl=x", "-http=x", "-id=a\nb", "-election=_"}, []string{
			"_LOG_FORMAT: ", "-id: ", "-election: ", "-ttl: ", "-http: ", "ELECTOR_POD_NAME: ",
		}},

		{"k8s-elector's flags before a command", nil, nil, []string{"-election", "my-app", "server"}, []string{"-election: k8s-elector has such flags … sidecar, which has no command … --lock-name"}},
		{"k8s-elector's flags before a command behind two dashes", nil, nil, []string{"-election=my-app", "-v=4", "--", "server"}, []string{"-election, -v: k8s-elector has such flags"}},
		{"a flag of klog before a command", nil, nil, []string{"-v=4", "server"}, []string{"-v: k8s-elector has such flags"}},
		{"k8s-elector's flags before an enabled command", elected(nil), nil, []string{"-id=" + secret, "server"}, []string{"-id: k8s-elector has such flags"}},
		{"k8s-elector's flags enabled", elected(nil), nil, []string{"-election=my-app"}, []string{"_ENABLED: is set, but there is no command", "-election: k8s-elector has such flags"}},
		{"a word behind a switch, which is a command", nil, nil, []string{"-election=my-app", "-logtostderr", "true"}, []string{"-election, -logtostderr: k8s-elector has such flags"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			surroundings(t, row.ours, row.theirs)
			c, err := load(row.args, host("my-app-0"))
			if err == nil {
				t.Fatalf("no error, but %+v", c)
			}
			if strings.Contains(err.Error(), secret) {
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

func TestLoad_NeedsAnIdentityWhereTheHostHasNoName(t *testing.T) {
	nameless := machine{hostname: func() (string, error) { return "", errors.New("no name") }, stat: host("").stat}
	for want, row := range map[string]struct {
		ours, theirs map[string]string
		args         []string
	}{
		"-id: is required":                         {args: []string{"-election=my-app"}},
		"K8S_AWAIT_ELECTION_IDENTITY: is required": {theirs: map[string]string{"LEASE_NAME": "my-app", "NAMESPACE": "prod"}},
	} {
		surroundings(t, row.ours, row.theirs)
		if _, err := load(row.args, nameless); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
