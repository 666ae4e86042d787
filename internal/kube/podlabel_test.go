package kube

import (
	"strings"
	"testing"
)

func TestParsePodLabel_ReadsAKeyAndItsTwoValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]PodLabel{
		"role":                             {"role", "leader", "standby"},
		"example.org/role":                 {"example.org/role", "leader", "standby"},
		"role=master":                      {"role", "master", "standby"},
		"role=leader/follower":             {"role", "leader", "follower"},
		"k8s-await-election/role=a/b":      {"k8s-await-election/role", "a", "b"},
		"k8s-elector/status=leader/standb": {"k8s-elector/status", "leader", "standb"},
	} {
		if got, err := ParsePodLabel(text); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParsePodLabel_RefusesWhatCannotBeALabelWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "=leader", "role=", "role=/standby", "role=leader/", "role=leader/standby/other", "role=same/same",
		"ro le", "a/b/c", "-role", "role=le ader", "role=" + strings.Repeat("x", 64), strings.Repeat("x", 64),
	} {
		got, err := ParsePodLabel(text)
		if err == nil || got != (PodLabel{}) {
			t.Errorf("%q: taken as %v", text, got)
		} else if text != "" && strings.Contains(err.Error(), text) && len(text) > 10 {
			t.Errorf("%q: repeated in %v", text, err)
		}
	}
}
