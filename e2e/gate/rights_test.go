package gate

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
// looking anything up.
func TestRights_ThatAreMissingAreNamedAndCanBeGrantedLater(t *testing.T) {
	all := strings.Fields("get watch create update")
	rows := []struct {
		missing string
		// unready: the lock cannot be used at all.
		unready bool
		// rule is the verbs of the rule that is asked for, quoted as in the log.
		rule string
	}{
		{missing: "watch", rule: `[\"watch\"]`},
		{missing: "get watch", unready: true, rule: `[\"get\"]`},
		{missing: "create", unready: true, rule: `[\"create\", \"update\"]`},
		{missing: "update", unready: true, rule: `[\"create\", \"update\"]`},
		{missing: "get watch create update", unready: true, rule: `[\"get\"]`},
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
			permitted := rule("coordination.k8s.io", "leases", strings.Join(verbs, " "), stage.LockName)
			if len(verbs) == 0 {
				permitted = rule("", "events", "create")
			}
			s := stage.New(t, server, programs, permitted)
			s.LongLeases()
			a := s.Start(stage.Pod{Name: "a"})
			words := []string{
				"lease " + s.Namespace + "/" + stage.LockName, "403", "Role", s.Namespace,
				"coordination.k8s.io", "leases", stage.LockName, row.rule,
			}
			s.AwaitLine(a, append(words, "level=WARN")...)
			if row.unready {
				body := ""
				s.Await("/readyz says what is missing", func() bool {
					var code int
					code, body = a.Get("/readyz")
					return code == 503 && strings.Contains(body, "403")
				})
				for _, word := range words {
					if word = strings.ReplaceAll(word, `\"`, `"`); !strings.Contains(body, word) {
						t.Errorf("/readyz does not say %q: %s", word, body)
					}
				}
				s.AwaitCode(a, "/livez", 200)
				if len(s.Runs()) > 0 {
					t.Error("the command was started")
				}
				s.Grant(stage.Rules()...)
			}
			s.AwaitLeader(a)
			s.AwaitCode(a, "/readyz", 200)
		})
	}
}
