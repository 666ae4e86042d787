package kube

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// policyRule is a rule of a Role.
type policyRule struct {
	APIGroups     []string `json:"apiGroups"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames"`
	Verbs         []string `json:"verbs"`
}

func TestRule_IsYAMLThatReadsAsTheRuleWhateverTheName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"db", "my-app.example.org", "a", "y", "n", "yes", "no", "on", "off", "true", "false", "null",
		"1", "007", "0x1f", "1e3", "1.5", "1-2", "2026-01-02", "1.2.3", "e1", "it's", "", "-", "a: b", "{}",
	} {
		for _, r := range []resource{leases, configMaps} {
			text := r.rule(name, "create", "update")
			var rules []policyRule
			if err := yaml.Unmarshal([]byte(text), &rules); err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			want := policyRule{APIGroups: []string{r.group}, Resources: []string{r.plural}, Verbs: []string{"create", "update"}}
			if name != "" {
				want.ResourceNames = []string{name}
			}
			if len(rules) != 1 || !reflect.DeepEqual(rules[0], want) {
				t.Errorf("%s reads as %+v", text, rules)
			}
		}
	}
}

func TestRule_CanBeCopiedFromEitherLogFormat(t *testing.T) {
	t.Parallel()
	for _, r := range []resource{leases, endpoints} {
		for _, name := range []string{"db", "7", ""} {
			rule := r.rule(name, "get", "watch")
			var line bytes.Buffer
			for _, handler := range []slog.Handler{slog.NewTextHandler(&line, nil), slog.NewJSONHandler(&line, nil)} {
				line.Reset()
				slog.New(handler).Warn("x", "err", `refused to "somebody": `+rule)
				if !strings.Contains(line.String(), rule) {
					t.Errorf("the rule %s is logged as %s", rule, line.String())
				}
			}
		}
	}
}

func TestRule_IsWithoutQuotesWhereNoneAreNeeded(t *testing.T) {
	t.Parallel()
	want := "- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [db], verbs: [get]}"
	if got := leases.rule("db", "get"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
