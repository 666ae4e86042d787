package config

import (
	"strings"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

func TestLoad_FitsTheDurationsToEachOther(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	rows := []struct {
		name                string
		lease, renew, retry string
		want                [3]time.Duration
		warnings            []string
	}{
		{"seconds", "30", "20", "4", [3]time.Duration{30 * s, 20 * s, 4 * s}, nil},
		{"fractions of seconds", "1.5", ".9", "0.2", [3]time.Duration{1500 * ms, 900 * ms, 200 * ms}, nil},
		{"durations", "1m", "40s", "1500ms", [3]time.Duration{60 * s, 40 * s, 1500 * ms}, nil},
		{"defaults are parts of the lease", "60", "", "", [3]time.Duration{60 * s, 40 * s, 8 * s}, nil},
		{"the default period fits a short deadline", "60", "10", "", [3]time.Duration{60 * s, 10 * s, 2 * s}, nil},
		{"the default deadline fits a long period", "11", "", "8", [3]time.Duration{11 * s, 9900 * ms * 9 / 10, 8 * s}, nil},
		{"a default deadline is lowered in silence", "1", "", "", [3]time.Duration{s, 450 * ms, 133333333}, nil},
		{"up to a second and a half", "1.5", "", "", [3]time.Duration{1500 * ms, 900 * ms, 200 * ms}, nil},
		{"and no further", "1.8", "", "", [3]time.Duration{1800 * ms, 1200 * ms, 240 * ms}, nil},
		{"a deadline just before the margin stays", "15", "13.499", "", [3]time.Duration{15 * s, 13499 * ms, 2 * s}, nil},
		{"a deadline in the margin is lowered", "15", "13.5", "2", [3]time.Duration{15 * s, 12150 * ms, 2 * s}, []string{"RENEW_DEADLINE"}},
		{"a period is lowered with the deadline", "2", "1.9", "1.5", [3]time.Duration{2 * s, 1350 * ms, 270 * ms}, []string{"RENEW_DEADLINE", "RETRY_PERIOD"}},
		{"the longest lease that a record holds", "2147483647", "10", "2", [3]time.Duration{2147483647 * s, 10 * s, 2 * s}, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			environment(t, elected(map[string]string{"LEASE_DURATION": row.lease, "RENEW_DEADLINE": row.renew, "RETRY_PERIOD": row.retry}))
			wantDurations(t, mustLoad(t, "server"), row.want, row.warnings)
		})
	}
}

// wantDurations checks lease, deadline and period, that they fit together, and
// which variables there is a warning of.
func wantDurations(t *testing.T, c *Config, want [3]time.Duration, warnings []string) {
	t.Helper()
	if got := [3]time.Duration{c.LeaseDuration, c.RenewDeadline, c.RetryPeriod}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if c.RenewDeadline >= c.LeaseDuration-elector.KillMargin(c.LeaseDuration) || c.RetryPeriod >= c.RenewDeadline {
		t.Error("the elector would refuse these")
	}
	if len(c.Warnings) != len(warnings) {
		t.Fatalf("got warnings %q, want of %q", c.Warnings, warnings)
	}
	for i, w := range warnings {
		if !strings.HasPrefix(c.Warnings[i], Prefix+"_"+w+" ") {
			t.Errorf("warning %q is not of %s", c.Warnings[i], w)
		}
	}
}

// A ConfigMap and Endpoints keep client-go's record in an annotation, whose times
// are metav1.Time: whole seconds (client-go 0.22, resourcelock/interface.go).
func TestLoad_RenewsSoThatARecordOfWholeSecondsShowsIt(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	rows := []struct {
		name                string
		lease, renew, retry string
		want                [3]time.Duration
		warnings            []string
	}{
		{"the defaults", "", "", "", [3]time.Duration{15 * s, 10 * s, 2 * s}, nil},
		{"a period that shows", "6", "4", "1.1", [3]time.Duration{6 * s, 4 * s, 1100 * ms}, nil},
		{"a default period is raised in silence", "3", "", "", [3]time.Duration{3 * s, 2 * s, 1100 * ms}, nil},
		{"a period that was set is raised", "6", "4", "1", [3]time.Duration{6 * s, 4 * s, 1100 * ms}, []string{"RETRY_PERIOD"}},
		{"a deadline for less than two renewals is raised too", "6", "2.1", "1", [3]time.Duration{6 * s, 4 * s, 1100 * ms}, []string{"RETRY_PERIOD", "RENEW_DEADLINE"}},
		{"a deadline for two renewals is not", "6", "2.2", "1", [3]time.Duration{6 * s, 2200 * ms, 1100 * ms}, []string{"RETRY_PERIOD"}},
		{"nor is one that is more than its part", "3", "2.1", "", [3]time.Duration{3 * s, 2100 * ms, 1100 * ms}, nil},
		{"the shortest lease", "2", "", "", [3]time.Duration{2 * s, 2 * s * 2 / 3, 1100 * ms}, nil},
		{"a deadline that is lowered leaves time for one", "2", "1.9", "1.5", [3]time.Duration{2 * s, 1350 * ms, 1100 * ms}, []string{"RENEW_DEADLINE", "RETRY_PERIOD"}},
	}
	for _, row := range rows {
		for _, lock := range []string{"configmaps", "endpoints"} {
			t.Run(row.name+" on "+lock, func(t *testing.T) {
				environment(t, elected(map[string]string{"LOCK_TYPE": lock, "LEASE_DURATION": row.lease, "RENEW_DEADLINE": row.renew, "RETRY_PERIOD": row.retry}))
				wantDurations(t, mustLoad(t, "server"), row.want, row.warnings)
			})
		}
	}
}
