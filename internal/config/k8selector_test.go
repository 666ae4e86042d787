package config

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What k8s-elector reads and does without is from its sources, cmd/elector.go and
// pkg/elector.go of https://github.com/vapor-ware/k8s-elector: seven flags of
// package flag, ttl 10 s, namespace default, and lock type leases unless given;
// renewal for ttl/3, every ttl/6; id and Pod, unless -id and ELECTOR_POD_NAME are
// given, from the host's name; the Pod is labelled always, in the election's
// namespace, with k8s-elector/status.

// electorsOwn is what k8s-elector does if it is told -election=my-app alone.
func electorsOwn(more func(*Config)) *Config {
	return inTheirWords(func(c *Config) {
		c.LockNamespace = "default"
		c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 10*time.Second, 10*time.Second/3, 10*time.Second/6
		c.PodName, c.PodNamespace, c.PodNameGuessed, c.PodLabel = "my-app-0", "default", true, "k8s-elector/status=leader/standby"
		more(c)
	})
}

func TestLoad_TakesWhatK8sElectorWasTold(t *testing.T) {
	for name, row := range map[string]struct {
		ours, theirs map[string]string
		args         string
		more         func(*Config)
	}{
		"the election alone": {nil, nil, "-election=my-app", func(*Config) {}},
		// The manifest in its repository, example.yaml. It renews twice a second there,
		// which a ConfigMap does not show.
		"its example": {nil, nil, "-election=my-app -http=localhost:4040 -ttl=3s -namespace=default -lock-type=configmaps", func(c *Config) {
			c.StatusEndpoint, c.LockType = "localhost:4040", ConfigMaps
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 3*time.Second, 2*time.Second, 1100*time.Millisecond
		}},
		"its example on a Lease": {nil, nil, "-election=my-app -ttl=3s", func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 3*time.Second, time.Second, 500*time.Millisecond
		}},
		"its own ttl on Endpoints": {nil, nil, "-election=my-app -lock-type=endpoints", func(c *Config) { c.LockType = Endpoints }},
		"everything": {nil, map[string]string{"ELECTOR_POD_NAME": "pod-7"}, "-election my-app -http :80 -id me -kubeconfig /kube/config -lock-type endpoints -namespace prod -ttl 1m", func(c *Config) {
			c.StatusEndpoint, c.Identity, c.Kubeconfig, c.LockType, c.LockNamespace = ":80", "me", "/kube/config", Endpoints, "prod"
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = time.Minute, 20*time.Second, 10*time.Second
			c.PodName, c.PodNamespace, c.PodNameGuessed = "pod-7", "prod", false
		}},
		"two dashes": {nil, nil, "--election my-app --http=:80 --id=me --ttl=6s", func(c *Config) {
			c.StatusEndpoint, c.Identity = ":80", "me"
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 6*time.Second, 2*time.Second, time.Second
		}},
		"the last of two": {nil, nil, "-election=other -id=other -election=my-app -id=me", func(c *Config) { c.Identity = "me" }},
		"empty values":    {nil, nil, "-election=my-app -http= -id= -namespace= -kubeconfig= -lock-type= -ttl=", func(*Config) {}},
		"the shortest ttl": {nil, nil, "-election=my-app -ttl=1s", func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = time.Second, time.Second/3, time.Second/6
		}},
		"klog's flags": {nil, nil, "-logtostderr -alsologtostderr=false -stderrthreshold=WARNING -v 3 -vmodule=lock=4 -log_file_max_size 10 -log_backtrace_at= " +
			"-add_dir_header -skip_headers=true -skip_log_headers=1 -one_output -log_dir= -log_file= -election my-app", func(*Config) {}},
		"much to tell": {nil, nil, "-v=4 -election=my-app", func(c *Config) { c.LogLevel = slog.LevelDebug }},
		"our own variables beside": {map[string]string{
			"STATUS_FILE": "/run/leader", "LOG_FORMAT": "json", "RENEW_DEADLINE": "6", "RETRY_PERIOD": "1", "POD_UID": "uid", "ON_LOST": "exit",
		}, nil, "-election=my-app", func(c *Config) {
			c.StatusFile, c.LogFormat, c.PodUID, c.OnLost = "/run/leader", JSON, "uid", Exit
			c.RenewDeadline, c.RetryPeriod = 6*time.Second, time.Second
		}},
		"flags win over our variables": {map[string]string{
			"LOCK_NAME": "other", "LOCK_NAMESPACE": "other", "IDENTITY": "other", "STATUS_ENDPOINT": ":1", "LEASE_DURATION": "99", "LOG_LEVEL": "warn",
		}, nil, "-election=my-app -namespace=prod -id=me -http=:80 -ttl=6s -v=9", func(c *Config) {
			c.LockNamespace, c.Identity, c.StatusEndpoint, c.LogLevel, c.PodNamespace = "prod", "me", ":80", slog.LevelDebug, "prod"
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 6*time.Second, 2*time.Second, time.Second
		}},
		"our variables win over the variable": {map[string]string{"POD_NAME": "pod-1", "POD_NAMESPACE": "front", "POD_LABEL": "a=b/c"}, map[string]string{"ELECTOR_POD_NAME": "pod-7"}, "-election=my-app", func(c *Config) {
			c.PodName, c.PodNamespace, c.PodNameGuessed, c.PodLabel = "pod-1", "front", false, "a=b/c"
		}},
		"a deadline that was set longer": {map[string]string{"RETRY_PERIOD": "3"}, nil, "-election=my-app", func(c *Config) {
			c.RenewDeadline, c.RetryPeriod = 4500*time.Millisecond, 3*time.Second
		}},
		"a deadline that was set shorter": {map[string]string{"RENEW_DEADLINE": "1"}, nil, "-election=my-app", func(c *Config) {
			c.RenewDeadline, c.RetryPeriod = time.Second, 500*time.Millisecond
		}},
		"a lock that knows no Pods": {map[string]string{"LOCK_DIR": "/lock", "STATUS_ENDPOINT": ":1"}, nil, "-election=my-app -lock-type=file", func(c *Config) {
			c.LockType, c.LockDir, c.StatusEndpoint = File, "/lock", ":1"
			c.PodName, c.PodNamespace, c.PodNameGuessed, c.PodLabel = "", "", false, ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			surroundings(t, row.ours, row.theirs)
			expect(t, mustLoadOn(t, host("my-app-0"), strings.Fields(row.args)...), electorsOwn(row.more))
		})
	}
}

// With hostNetwork a Pod has its node's name; no Pod can be named My_Host.
func TestLoad_LabelsNoPodWhereTheHostHasANameThatNoPodHas(t *testing.T) {
	surroundings(t, map[string]string{"STATUS_ENDPOINT": ":1"}, nil)
	c := mustLoadOn(t, host("My_Host"), "-election=my-app")
	if c.Identity != "My_Host" || c.PodName != "" || c.PodLabel != "" || c.PodNameGuessed {
		t.Errorf("got %+v", c)
	}
}

func TestLoad_WarnsWhereKlogWouldHaveWrittenFiles(t *testing.T) {
	for args, want := range map[string]string{
		"-logtostderr=false":  "-logtostderr is false, but the log goes to standard error",
		"-log_dir=/var/log":   "-log_dir is given, but the log goes to standard error",
		"-log_file=/hunter2":  "-log_file is given, but the log goes to standard error",
		"-logtostderr":        "",
		"-alsologtostderr":    "",
		"-log_file_max_size=": "",
	} {
		surroundings(t, nil, nil)
		c := mustLoadOn(t, host("my-app-0"), args, "-election=my-app")
		switch {
		case want == "" && len(c.Warnings) == 0:
		case want != "" && len(c.Warnings) == 1 && strings.Contains(c.Warnings[0], want) && !strings.Contains(c.Warnings[0], secret):
		default:
			t.Errorf("%s: got %q, want %q", args, c.Warnings, want)
		}
	}
}

func TestLoad_FindsTheServerOfStatusByK8sElectorsFlag(t *testing.T) {
	surroundings(t, map[string]string{"STATUS_ENDPOINT": ":1"}, map[string]string{"LEASE_NAME": "other"})
	for args, want := range map[string]string{
		"--status":           ":1",
		"--status -http=:80": ":80",
		"-election=my-app -http localhost:4040 --status -v=x": "localhost:4040",
	} {
		if c := mustLoadOn(t, host("my-app-0"), strings.Fields(args)...); c.Action != Status || c.StatusEndpoint != want || c.Sidecar {
			t.Errorf("%s: action %v of %q", args, c.Action, c.StatusEndpoint)
		}
	}
}

func TestLoad_FindsAMisspeltFlagOfK8sElector(t *testing.T) {
	surroundings(t, nil, nil)
	if _, err := load([]string{"-electoin=my-app"}, host("my-app-0")); err == nil || !strings.Contains(err.Error(), "did you mean -election?") {
		t.Errorf("got %v", err)
	}
}
