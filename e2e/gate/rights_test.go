package gate

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// rule permits verbs on a resource.
func rule(group, resource, verbs string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{group}, Resources: []string{resource},
		Verbs: strings.Fields(verbs), ResourceNames: names,
	}
}

func configMap(name, annotation, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{annotation: value}},
		Data:       map[string]string{"key": "value"},
	}
}

// TestRights_ThatAreMissingAreNamedAndCanBeGrantedLater takes one verb after
// the other away. What is said must be enough to correct the Role without
// looking anything up: the rule is copied from the log, in either format, and
// granted.
func TestRights_ThatAreMissingAreNamedAndCanBeGrantedLater(t *testing.T) {
	all := strings.Fields("get watch create update")
	rows := []struct {
		missing string
		// unready: the lock cannot be used at all.
		unready bool
		// verbs are those of the rule that is asked for first.
		verbs  string
		format string
	}{
		{missing: "watch", verbs: "watch", format: "text"},
		{missing: "get watch", unready: true, verbs: "get", format: "text"},
		{missing: "create", unready: true, verbs: "create update", format: "text"},
		{missing: "update", unready: true, verbs: "create update", format: "json"},
		{missing: "get watch create update", unready: true, verbs: "get", format: "json"},
	}
	for _, row := range rows {
		t.Run("without "+row.missing, func(t *testing.T) {
			t.Parallel()
			var verbs []string
			for _, verb := range all {
				if !strings.Contains(row.missing, verb) {
					verbs = append(verbs, verb)
				}
			}
			permitted := []rbacv1.PolicyRule{rule("coordination.k8s.io", "leases", strings.Join(verbs, " "), stage.LockName)}
			if len(verbs) == 0 {
				permitted[0] = rule("", "events", "create")
			}
			s := stage.New(t, server, programs, permitted...)
			s.LongLeases()
			s.Env["LOG_FORMAT"] = row.format
			a := s.Start(stage.Pod{Name: "a"})
			words := []string{"lease " + s.Namespace + "/" + stage.LockName, "403 Forbidden", "Role in namespace " + s.Namespace}
			line := s.AwaitLine(a, append(words, "WARN", "verbs: ["+strings.ReplaceAll(row.verbs, " ", ", ")+"]")...)
			asked := copied(t, line)
			if want := rule("coordination.k8s.io", "leases", row.verbs, stage.LockName); !reflect.DeepEqual(asked, want) {
				t.Errorf("the rule asked for is %v, want %v", asked, want)
			}
			if row.unready {
				body := ""
				s.Await("/readyz says what is missing", func() bool {
					var code int
					code, body = a.Get("/readyz")
					return code == 503 && strings.Contains(body, "403 Forbidden")
				})
				for _, word := range words {
					if !strings.Contains(body, word) {
						t.Errorf("/readyz does not say %q: %s", word, body)
					}
				}
				if said := copied(t, body); !reflect.DeepEqual(said, asked) {
					t.Errorf("/readyz asks for %v, the log for %v", said, asked)
				}
				s.AwaitCode(a, "/livez", 200)
				if len(s.Runs()) > 0 {
					t.Error("the command was started")
				}
			}
			// One after the other, until nothing is refused any more.
			granted := permitted
			for row.unready {
				granted = append(granted, asked)
				s.Grant(granted...)
				line = ""
				seen := len(a.Log())
				s.Await("the next refusal, or the start", func() bool {
					for next := range strings.Lines(a.Log()[seen:]) {
						if strings.Contains(next, "403 Forbidden") && strings.Contains(next, "WARN") && copyable.MatchString(next) && !reflect.DeepEqual(copied(t, next), asked) {
							line = next
						}
					}
					return line != "" || a.Line("command started") != ""
				})
				if line == "" {
					break
				}
				asked = copied(t, line)
			}
			s.Await("the command runs", func() bool { return a.Line("command started") != "" })
			s.AwaitCode(a, "/readyz", 200)
		})
	}
}

// copyable is the rule in a line of a log, whole.
var copyable = regexp.MustCompile(`- \{apiGroups: .*?\}`)

// copied is the rule in the text, as who pastes it into a manifest has it.
func copied(t *testing.T, text string) rbacv1.PolicyRule {
	t.Helper()
	var rules []rbacv1.PolicyRule
	if err := yaml.Unmarshal([]byte(copyable.FindString(text)), &rules); err != nil || len(rules) != 1 {
		t.Fatalf("no rule can be copied from %s: %v, %v", text, rules, err)
	}
	return rules[0]
}
