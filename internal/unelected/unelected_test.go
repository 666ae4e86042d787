//go:build linux

package unelected

import (
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/config"
	"github.com/k8s-await-election/k8s-await-election/internal/guard"
)

func TestSilent_LeavesWhateverIsConfiguredToTheRest(t *testing.T) {
	t.Parallel()
	const program = "/k8s-await-election"
	for name, row := range map[string]struct {
		args, environ []string
		want          bool
	}{
		"a command":        {[]string{program, "sleep", "-x"}, []string{"PATH=/bin"}, true},
		"no environment":   {[]string{program, "sleep"}, nil, true},
		"somebody else's":  {[]string{program, "sleep"}, []string{"K8S_AWAIT=1", "X" + config.Prefix + "_ENABLED=1"}, true},
		"enabled":          {[]string{program, "sleep"}, []string{"A=b", config.Prefix + "_ENABLED=1"}, false},
		"a misspelt name":  {[]string{program, "sleep"}, []string{config.Prefix + "_ENABELD=1"}, false},
		"an option":        {[]string{program, "--enabled", "sleep"}, nil, false},
		"the options' end": {[]string{program, "--", "sleep"}, nil, false},
		"a sidecar":        {[]string{program}, nil, false},
		"an empty command": {[]string{program, ""}, nil, false},
		"no arguments":     {nil, nil, false},
		"a start":          {[]string{command.Name, "3", "5", "sleep"}, nil, false},
		"a guard":          {[]string{guard.Name, "1"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := silent(row.args, row.environ); got != row.want {
				t.Errorf("silent: %v, want %v", got, row.want)
			}
		})
	}
}
