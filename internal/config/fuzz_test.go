package config

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// vocabulary is the least that makes an election in the words of one tool.
type vocabulary struct {
	ours, theirs  map[string]string
	flags, behind []string // before and behind what is tried
}

var vocabularies = []vocabulary{
	{ours: elected(nil), behind: []string{"--", "command"}},
	{ours: map[string]string{"LOCK_NAME": "my-app", "LOCK_NAMESPACE": "prod"}},
	{flags: []string{"-election=my-app"}},
	{theirs: map[string]string{"LEASE_NAME": "my-app", "NAMESPACE": "prod"}},
}

// FuzzLoad_EchoesNothingAndAcceptsOnlyWhatCanElect gives one variable and one
// flag a value, in the words of each tool in turn, which begins as a secret might.
// Behind the variables is the name of the host.
func FuzzLoad_EchoesNothingAndAcceptsOnlyWhatCanElect(f *testing.F) {
	var variables []string
	for _, v := range Variables() {
		variables = append(variables, v.Name)
	}
	variables = append(variables, theirWords...)
	variables = append(variables, "LE_LEASE_DURATION")
	position := func(name string) uint {
		for i, v := range variables {
			if v == name {
				return uint(i)
			}
		}
		return uint(len(variables)) // the host
	}
	for i, value := range []string{"15", "1500ms", "1h", "-1", "a/b", ":8080", "10.0.0.1,fd00::1", "SIGTERM", "json", ""} {
		f.Add(uint(0), uint(i), value, "--lease-duration", value)
	}
	f.Add(uint(0), uint(0), "1", "--renew-deadline", "")
	f.Add(uint(0), uint(0), "1", "--install", "")
	f.Add(uint(1), position(Prefix+"_STATUS_FILE"), "/run/leader", "--status-file-expiry", "true")
	for _, theirs := range electorFlags {
		f.Add(uint(2), position("ELECTOR_POD_NAME"), "pod-7", "-"+theirs.name, theirs.example)
	}
	f.Add(uint(2), position("host"), "my_app", "-lock-type", "configmaps")
	f.Add(uint(1), position(Prefix+"_IDENTITY"), "a\xff", "--identity", "a\xff")
	f.Add(uint(2), position(Prefix+"_RETRY_PERIOD"), "1", "-ttl", "1s")
	for name, value := range map[string]string{
		"HEALTH_PORT": "tcp://10.0.0.1:80", "STATUS_DIR": "/run/status", "LABEL_POD_ROLE": "true", "POD_NAME": "pod-7",
		"KUBECONFIG": "/kube/config", "NAMESPACE": "prod", "LEASE_NAME": "my-app", "LE_LEASE_DURATION": "5", "host": "my-app-0",
	} {
		f.Add(uint(3), position(name), value, "--pod-name", "pod-7")
	}
	f.Add(uint(3), position("HEALTH_PORT"), "0", "--label", "x")
	f.Fuzz(func(t *testing.T, words, which uint, value, flag, flagValue string) {
		const secret = "s3cr3t"
		if strings.ContainsRune(value, 0) {
			return // no environment can have it
		}
		with := vocabularies[words%uint(len(vocabularies))]
		for _, prefix := range []string{"", secret} {
			surroundings(t, with.ours, with.theirs)
			on := host("my-app-0")
			if i := which % uint(len(variables)+1); i < uint(len(variables)) {
				t.Setenv(variables[i], prefix+value)
			} else {
				on = host(prefix + value)
			}
			for _, tried := range [][]string{{flag + "=" + prefix + flagValue}, {flag, prefix + flagValue}, {flag}} {
				args := append(append(append([]string{}, with.flags...), tried...), with.behind...)
				c, err := load(args, on)
				if err != nil {
					if prefix != "" && strings.Contains(err.Error(), secret) {
						t.Errorf("%q repeats a value: %v", args, err)
					}
					continue
				}
				for _, warning := range c.Warnings {
					if prefix != "" && strings.Contains(warning, secret) {
						t.Errorf("%q repeats a value: %s", args, warning)
					}
				}
				if c.Action == Run && (c.Enabled || c.Sidecar) {
					canElect(t, c)
				}
			}
		}
	})
}

// canElect: whatever else was said, what was accepted is nothing that the clock,
// the API server or the machine would refuse.
func canElect(t *testing.T, c *Config) {
	t.Helper()
	if c.Enabled == c.Sidecar || c.Enabled != (len(c.Command) > 0) {
		t.Errorf("accepts a command %q, enabled %v, sidecar %v", c.Command, c.Enabled, c.Sidecar)
	}
	if c.LeaseDuration < elector.MinLeaseDuration || c.RetryPeriod <= 0 || c.RetryPeriod >= c.RenewDeadline ||
		c.RenewDeadline >= c.LeaseDuration-elector.KillMargin(c.LeaseDuration) {
		t.Errorf("accepts %v/%v/%v", c.LeaseDuration, c.RenewDeadline, c.RetryPeriod)
	}
	if name := strings.ContainsRune(c.LockName, '/'); c.LockType == File && (name || c.LockName == "" || c.LockDir == "") {
		t.Errorf("accepts the file %q in %q", c.LockName, c.LockDir)
	}
	objects := map[string]string{"Pod": c.PodName, "node": c.NodeName}
	namespaces := map[string]string{"Pod's": c.PodNamespace}
	if c.LockType != File {
		objects["lock"], namespaces["lock's"], namespaces["Service's"] = c.LockName, c.LockNamespace, c.ServiceNamespace
		if c.LockName == "" || c.LockNamespace == "" {
			t.Errorf("accepts the lock %q/%q", c.LockNamespace, c.LockName)
		}
	}
	for what, name := range objects {
		if name != "" && len(validation.IsDNS1123Subdomain(name)) > 0 {
			t.Errorf("accepts %q for the name of a %s", name, what)
		}
	}
	for what, name := range namespaces {
		if name != "" && len(validation.IsDNS1123Label(name)) > 0 {
			t.Errorf("accepts %q for the %s namespace", name, what)
		}
	}
	if kept := throughJSON(t, c.Identity); kept != c.Identity || c.Identity == "" || len(c.Identity) > 253 {
		t.Errorf("accepts the identity %q, which a record gives back as %q", c.Identity, kept)
	}
	if _, _, err := net.SplitHostPort(c.StatusEndpoint); c.StatusEndpoint != "" && err != nil {
		t.Errorf("accepts to listen on %q", c.StatusEndpoint)
	}
	if port, err := strconv.ParseUint(strings.TrimPrefix(c.HealthEndpoint, ":"), 10, 16); c.HealthEndpoint != "" && (err != nil || port == 0) {
		t.Errorf("accepts to answer /healthz on %q", c.HealthEndpoint)
	}
	for _, path := range []string{c.StatusFile, c.StatusDir} {
		if path != "" && (!filepath.IsAbs(path) || c.StatusFile+c.StatusDir != path || !c.Sidecar) {
			t.Errorf("accepts the file %q and the directory %q, sidecar %v", c.StatusFile, c.StatusDir, c.Sidecar)
		}
	}
	if c.PodLabel != "" && (c.PodName == "" || c.PodNamespace == "") {
		t.Errorf("accepts a label for the Pod %q/%q", c.PodNamespace, c.PodName)
	}
	if c.ServiceName != "" && (len(c.PodIPs) == 0 || c.ServicePortsJSON == "" || c.LockType == File) {
		t.Errorf("accepts a Service of %v, ports %q, lock type %s", c.PodIPs, c.ServicePortsJSON, c.LockType)
	}
}

// throughJSON is a text as it comes back from the API server.
func throughJSON(t *testing.T, text string) (back string) {
	t.Helper()
	sent, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(sent, &back); err != nil {
		t.Fatal(err)
	}
	return back
}
