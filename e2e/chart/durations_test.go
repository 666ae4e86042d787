package chart

import (
	"fmt"
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/child"
	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

// accepts tells whether the gate takes the options; why not, if not.
func accepts(options ...string) error {
	options = append(options, "--enabled", "--name=a", "--lock-name=a", "--lock-namespace=a", "--identity=a", "true")
	_, err := config.Load(options, func(c *config.Config) error {
		if c.StopSignal == "" {
			return nil
		}
		_, err := child.ParseSignal(c.StopSignal)
		return err
	})
	return err
}

// checkSame wants the chart to render what the gate takes, and to refuse what
// every Pod would.
func checkSame(t *testing.T, yaml, example string, gate error) {
	t.Helper()
	_, err := tryRender(t, input{yaml: yaml, set: twoValues})
	switch {
	case (err == nil) != (gate == nil):
		t.Errorf("%s: the gate says %v, the chart %v", yaml, gate, err)
	case err != nil && !strings.Contains(err.Error(), example):
		t.Errorf("%s: the key is not named: %v", yaml, err)
	}
}

func TestDurations_AreRefusedWhereTheGateRefusesThem(t *testing.T) {
	t.Parallel()
	check := func(lease, renew, retry string) {
		checkSame(t, fmt.Sprintf("election: {leaseDuration: %q, renewDeadline: %q, retryPeriod: %q}", lease, renew, retry), "election",
			accepts("--lease-duration="+lease, "--renew-deadline="+renew, "--retry-period="+retry))
	}
	for _, odd := range []string{"0", "0s", "0.5", "900ms", "2562047h", "596523h", "596524h", "1m0.5s", ".5s", "1.", "..", "1.2.3", "µs", "s", "5d"} {
		check(odd, "", "")
		check("", odd, "")
		check("", "", odd)
	}
	some := []string{"", "1.5s", "2500ms", "12.5"}
	for _, lease := range some {
		for _, renew := range some {
			for _, retry := range some {
				check(lease, renew, retry)
			}
		}
	}
}

func TestStopSignals_AreRefusedWhereTheGateRefusesThem(t *testing.T) {
	t.Parallel()
	signals := []string{"", "FOO", "SIG", "SIGSIGTERM", "TERM", "sigTerm", "Quit", "KILL", "STOP", "sigcont", "TSTP", "TTIN", "TTOU", "CHLD", "CLD", "URG",
		"WINCH", "RTMIN", "RTMAX", "SIGRTMIN+3", "rtmin+30", "RTMIN+31", "RTMIN-1", "RTMAX-30", "RTMAX-31", "RTMAX+1", "RTMIN+", "RTMIN+007", "015", "+9", "-9", "1.5",
		"HUP", "INT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "STKFLT", "XCPU", "XFSZ", "VTALRM", "PROF", "IO", "POLL", "PWR", "SYS",
		"0", "1", "9", "10", "16", "17", "18", "19", "20", "21", "22", "23", "24", "29", "30", "59", "60", "64", "65", "70", "100", "256"}
	for _, signal := range signals {
		checkSame(t, fmt.Sprintf("app: {stopSignal: %q}", signal), "stopSignal", accepts("--stop-signal="+signal))
	}
}
