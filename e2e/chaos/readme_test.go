package chaos

import (
	"os"
	"strings"
	"testing"
)

func TestReadme_HasEveryKindOfFaultAndNoOther(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| fault ") {
			continue
		}
		group, kinds, _ := strings.Cut(strings.TrimSpace(strings.Split(line, "|")[1]), ": ")
		for kind := range strings.SplitSeq(kinds, ", ") {
			said[group+": "+kind] = true
		}
	}
	for _, k := range kinds() {
		if !said[k.name] {
			t.Errorf("the table has no %q", k.name)
		}
		delete(said, k.name)
	}
	for name := range said {
		t.Errorf("the table has %q, which is no kind", name)
	}
}
