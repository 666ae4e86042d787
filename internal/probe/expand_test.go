package probe

import (
	"slices"
	"testing"
)

func TestExpand_FollowsTheRulesOfKubernetes(t *testing.T) {
	t.Parallel()
	environ := []string{"A=one", "EMPTY=", "QUOTES=\"\\\n", "DOLLARS=$$(A)", "SPACED NAME=two", "EQUALS=a=b"}
	for word, want := range map[string]string{
		"":                    "",
		"plain":               "plain",
		"$(A)":                "one",
		"<$(A)$(A)>":          "<oneone>",
		"$(EMPTY)":            "",
		"$(QUOTES)":           "\"\\\n",
		"$(DOLLARS)":          "$$(A)", // not looked through again
		"$(SPACED NAME)":      "two",
		"$(EQUALS)":           "a=b",
		"$(MISSING)":          "$(MISSING)",
		"$(MISSING$(A)":       "$(MISSING$(A)", // one name up to the bracket
		"$()":                 "$()",
		"$$(A)":               "$(A)",
		"$$$(A)":              "$one",
		"$$$$":                "$$",
		"kill -0 $$":          "kill -0 $",
		"$":                   "$",
		"a$":                  "a$",
		"$(A":                 "$(A",
		"$($$":                "$($",
		"$A ${A} `A` $1 $é":   "$A ${A} `A` $1 $é",
		"$A$(A)":              "$Aone",
		"\xff$\xff$(A)":       "\xff$\xffone",
		`{"a": "$(QUOTES)"}`:  "{\"a\": \"\"\\\n\"}",
		"$(A))":               "one)",
		"((A)) $((A))":        "((A)) $((A))",
		"$(a)":                "$(a)",
		"sh -c 'x=$(date +s'": "sh -c 'x=$(date +s'",
	} {
		if got := expand(word, variablesOf(environ)); got != want {
			t.Errorf("%q becomes %q, want %q", word, got, want)
		}
	}
	if got := expandAll([]string{"a", "$(A)"}, environ); !slices.Equal(got, []string{"a", "one"}) {
		t.Errorf("got %q", got)
	}
}
