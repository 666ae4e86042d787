package config

import (
	"os"
	"strings"
	"testing"
	"time"
)

// What leader-elector reads and does without is from its source, main.go of
// https://github.com/SupportTools/leader-elector: LEASE_NAME and NAMESPACE, which
// it cannot do without; STATUS_DIR, /tmp/leader_status unless set, made if missing;
// HEALTH_PORT, 8080 unless set; LABEL_POD_ROLE, which is `true` or off, and POD_NAME
// with it; KUBECONFIG where there is no cluster around it; no arguments. 15 s, 10 s
// and 2 s; its identity is the host's name. The script in its README tests for a
// file /tmp/leader_status, which an earlier version wrote.
func TestLoad_TakesWhatLeaderElectorWasTold(t *testing.T) {
	inCluster := map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
	type vars = map[string]string
	for name, row := range map[string]struct {
		ours   vars
		theirs []vars
		paths  []string
		more   func(*Config)
	}{
		"what it cannot do without":               {nil, nil, nil, func(c *Config) { c.StatusFile = "/tmp/leader_status" }},
		"the volume of its example":               {nil, nil, []string{"/tmp/leader_status/"}, func(c *Config) { c.StatusDir = "/tmp/leader_status" }},
		"the file of a container that was killed": {nil, nil, []string{"/tmp/leader_status"}, func(c *Config) { c.StatusFile = "/tmp/leader_status" }},
		"a directory":                             {nil, []vars{{"STATUS_DIR": "/shared/leader_status"}}, nil, func(c *Config) { c.StatusDir = "/shared/leader_status" }},
		"empty values":                            {nil, []vars{{"STATUS_DIR": "", "HEALTH_PORT": "", "LABEL_POD_ROLE": "", "POD_NAME": "", "KUBECONFIG": ""}}, []string{"/tmp/leader_status/"}, func(c *Config) { c.StatusDir = "/tmp/leader_status" }},
		"another port":                            {nil, []vars{{"HEALTH_PORT": "9090"}}, nil, func(c *Config) { c.StatusFile, c.HealthEndpoint = "/tmp/leader_status", ":9090" }},
		"a label": {nil, []vars{{"LABEL_POD_ROLE": "true", "POD_NAME": "pod-7", "STATUS_DIR": "/run"}}, nil, func(c *Config) {
			c.StatusDir, c.PodName, c.PodNamespace, c.PodLabel = "/run", "pod-7", "prod", "role=leader/follower"
		}},
		"no label": {nil, []vars{{"LABEL_POD_ROLE": "false", "POD_NAME": "pod-7", "STATUS_DIR": "/run"}}, nil, func(c *Config) { c.StatusDir = "/run" }},

		"a kubeconfig outside a cluster":              {nil, []vars{{"KUBECONFIG": "/kube", "STATUS_DIR": "/run"}}, []string{token}, func(c *Config) { c.StatusDir, c.Kubeconfig = "/run", "/kube" }},
		"a kubeconfig in a cluster":                   {nil, []vars{inCluster, {"KUBECONFIG": "/kube", "STATUS_DIR": "/run"}}, []string{token}, func(c *Config) { c.StatusDir = "/run" }},
		"a kubeconfig in a Pod without a token":       {nil, []vars{inCluster, {"KUBECONFIG": "/kube", "STATUS_DIR": "/run"}}, nil, func(c *Config) { c.StatusDir, c.Kubeconfig = "/run", "/kube" }},
		"a kubeconfig where no host is known":         {nil, []vars{{"KUBERNETES_SERVICE_PORT": "443", "KUBECONFIG": "/kube", "STATUS_DIR": "/run"}}, []string{token}, func(c *Config) { c.StatusDir, c.Kubeconfig = "/run", "/kube" }},
		"our kubeconfig in a cluster":                 {vars{"KUBECONFIG": "/ours"}, []vars{inCluster, {"KUBECONFIG": "/kube", "STATUS_DIR": "/run"}}, []string{token}, func(c *Config) { c.StatusDir, c.Kubeconfig = "/run", "/ours" }},
		"our file in place of theirs":                 {vars{"STATUS_FILE": "/run/leader", "STATUS_FILE_EXPIRY": "true"}, []vars{{"STATUS_DIR": "/run"}}, nil, func(c *Config) { c.StatusFile, c.StatusFileExpiry = "/run/leader", true }},
		"our directory in place of theirs":            {vars{"STATUS_DIR": "/ours"}, []vars{{"STATUS_DIR": "theirs"}}, nil, func(c *Config) { c.StatusDir = "/ours" }},
		"the expiry in their file":                    {vars{"STATUS_FILE_EXPIRY": "true"}, nil, nil, func(c *Config) { c.StatusFile, c.StatusFileExpiry = "/tmp/leader_status", true }},
		"our server elsewhere":                        {vars{"STATUS_ENDPOINT": ":9999"}, []vars{{"STATUS_DIR": "/run"}}, nil, func(c *Config) { c.StatusDir, c.StatusEndpoint = "/run", ":9999" }},
		"our server on the port that tells of health": {vars{"STATUS_ENDPOINT": ":8080"}, []vars{{"STATUS_DIR": "/run"}}, nil, func(c *Config) { c.StatusDir, c.StatusEndpoint, c.HealthEndpoint = "/run", ":8080", "" }},
		"our label in place of theirs": {vars{"POD_LABEL": "a=b/c", "POD_NAME": "pod-1", "POD_NAMESPACE": "front"}, []vars{{"LABEL_POD_ROLE": "true", "POD_NAME": "pod-7", "STATUS_DIR": "/run"}}, nil, func(c *Config) {
			c.StatusDir, c.PodName, c.PodNamespace, c.PodLabel = "/run", "pod-1", "front", "a=b/c"
		}},
		"a file lock, of which no file tells": {vars{"LOCK_TYPE": "file", "LOCK_DIR": "/lock", "STATUS_ENDPOINT": ":9999"}, nil, []string{"/tmp/leader_status/"}, func(c *Config) { c.LockType, c.LockDir, c.StatusEndpoint = File, "/lock", ":9999" }},
		"our lease": {vars{"LEASE_DURATION": "30", "IDENTITY": "me", "NAME": "shop"}, []vars{{"STATUS_DIR": "/run"}}, nil, func(c *Config) {
			c.StatusDir, c.Identity, c.Name = "/run", "me", "shop"
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 30*time.Second, 20*time.Second, 4*time.Second
		}},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := vars{"LEASE_NAME": "my-app", "NAMESPACE": "prod"}
			for _, more := range row.theirs {
				for key, value := range more {
					theirs[key] = value
				}
			}
			surroundings(t, row.ours, theirs)
			got := mustLoadOn(t, host("my-app-0", row.paths...))
			got.Command = []string{}
			expect(t, got, inTheirWords(func(c *Config) {
				c.HealthEndpoint = ":8080"
				row.more(c)
				c.StatusPathGuessed = c.StatusFile == leaderStatus || c.StatusDir == leaderStatus
			}))
		})
	}
}

func TestLoad_WarnsOfALabelThatLeaderElectorWouldNotHaveSet(t *testing.T) {
	for _, value := range []string{"1", "True", "yes"} {
		surroundings(t, nil, map[string]string{"LEASE_NAME": "my-app", "NAMESPACE": "prod", "POD_NAME": "pod-7", "LABEL_POD_ROLE": value})
		if c := mustLoadOn(t, host("my-app-0")); c.PodLabel != "" || len(c.Warnings) != 1 {
			t.Errorf("%s: label %q, warnings %q", value, c.PodLabel, c.Warnings)
		}
	}
}

func TestLoad_WarnsOfWhatAForkOfLeaderElectorReads(t *testing.T) {
	for theirs, ours := range map[string]string{
		"LE_LEASE_DURATION": "LEASE_DURATION", "LE_RENEW_DEADLINE": "RENEW_DEADLINE", "LE_RETRY_PERIOD": "RETRY_PERIOD", "LEASE_DIRECTORY": "STATUS_DIR",
	} {
		surroundings(t, nil, map[string]string{"LEASE_NAME": "my-app", "NAMESPACE": "prod"})
		t.Setenv(theirs, secret)
		c := mustLoadOn(t, host("my-app-0"))
		if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], theirs+" ") || !strings.Contains(c.Warnings[0], "set K8S_AWAIT_ELECTION_"+ours+" ") || strings.Contains(c.Warnings[0], secret) {
			t.Errorf("%s: warnings %q", theirs, c.Warnings)
		}
		if err := os.Unsetenv(theirs); err != nil {
			t.Fatal(err)
		}
	}
}

// Kubernetes sets HEALTH_PORT in every container of a namespace with a Service
// called health.
func TestLoad_TakesTheAddressOfAServiceForNoHealthPort(t *testing.T) {
	for _, address := range []string{"tcp://10.0.0.1:80", "udp://10.0.0.1:53", "sctp://10.0.0.1:80", "tcp://[fd00::1]:80"} {
		surroundings(t, nil, map[string]string{"LEASE_NAME": "my-app", "NAMESPACE": "prod", "HEALTH_PORT": address})
		c := mustLoadOn(t, host("my-app-0"))
		if c.HealthEndpoint != ":8080" {
			t.Errorf("%s: /healthz is on %q", address, c.HealthEndpoint)
		}
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "Service called health") || !strings.Contains(c.Warnings[0], "enableServiceLinks: false") || strings.Contains(c.Warnings[0], address) {
			t.Errorf("%s: warnings %q", address, c.Warnings)
		}
	}
}
