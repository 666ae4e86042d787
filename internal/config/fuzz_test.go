package config

import (
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// FuzzLoad_EchoesNothingAndAcceptsOnlyWhatCanElect gives one variable and one
// argument a value, which begins as a secret might.
func FuzzLoad_EchoesNothingAndAcceptsOnlyWhatCanElect(f *testing.F) {
	variables := Variables()
	for i, value := range []string{"15", "1500ms", "1h", "-1", "a/b", ":8080", "10.0.0.1,fd00::1", "SIGTERM", "json", ""} {
		f.Add(uint(i), value, "--lease-duration="+value)
	}
	f.Add(uint(0), "1", "--renew-deadline")
	f.Add(uint(0), "1", "--install")
	f.Fuzz(func(t *testing.T, which uint, value, arg string) {
		const secret = "s3cr3t"
		if strings.ContainsRune(value, 0) {
			return // no environment can have it
		}
		for _, prefix := range []string{"", secret} {
			environment(t, elected(map[string]string{variables[which%uint(len(variables))].Name: prefix + value}))
			c, err := Load([]string{prefix + arg, "command"})
			if err != nil {
				if prefix != "" && strings.Contains(err.Error(), secret) {
					t.Errorf("repeats a value: %v", err)
				}
				continue
			}
			for _, warning := range c.Warnings {
				if prefix != "" && strings.Contains(warning, secret) {
					t.Errorf("repeats a value: %s", warning)
				}
			}
			if c.Action != Run || !c.Enabled || c.LockType == File {
				continue
			}
			if c.LeaseDuration < elector.MinLeaseDuration || c.RetryPeriod <= 0 || c.RetryPeriod >= c.RenewDeadline ||
				c.RenewDeadline >= c.LeaseDuration-elector.KillMargin(c.LeaseDuration) || len(c.Command) == 0 {
				t.Errorf("accepts %v/%v/%v, command %q", c.LeaseDuration, c.RenewDeadline, c.RetryPeriod, c.Command)
			}
		}
	})
}
