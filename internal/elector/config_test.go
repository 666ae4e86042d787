package elector

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNew_NamesEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := New(Config{LeaseDuration: time.Second - 1, RenewDeadline: lease})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"lock", "identity", "lease duration", "renew deadline", "retry period"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestNew_RefusesWhatBreaksTheTimingInequality(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change  func(*Config)
		refused bool
	}{
		"the defaults":                    {func(*Config) {}, false},
		"a lease under a second":          {func(c *Config) { c.LeaseDuration = 999 * time.Millisecond }, true},
		"a deadline at the kill":          {func(c *Config) { c.RenewDeadline = lease - margin }, true},
		"a deadline just before the kill": {func(c *Config) { c.RenewDeadline = lease - margin - 1 }, false},
		"a retry at the deadline":         {func(c *Config) { c.RetryPeriod = deadline }, true},
		"a retry just before it":          {func(c *Config) { c.RetryPeriod = deadline - 1 }, false},
		"no retry":                        {func(c *Config) { c.RetryPeriod = 0 }, true},
		"the shortest lease": {func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = time.Second, 499*time.Millisecond, 133*time.Millisecond
		}, false},
		"the shortest lease without a margin": {func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = time.Second, 500*time.Millisecond, 133*time.Millisecond
		}, true},
		"no name of its own process": {func(c *Config) { c.Instance.Process = "" }, true},
		"no identity":                {func(c *Config) { c.Identity = "" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := Config{
					Lock: newServer(time.Now()).connect("a"), Identity: "a", Instance: process("a/0"),
					LeaseDuration: lease, RenewDeadline: deadline, RetryPeriod: retry,
					HolderClock: newFakeClock(1), CandidateClock: newFakeClock(1), Logger: discard(),
				}
				row.change(&c)
				if _, err := New(c); (err != nil) != row.refused {
					t.Errorf("New says %v", err)
				}
			})
		})
	}
}
