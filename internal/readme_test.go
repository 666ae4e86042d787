package internal_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

var update = flag.Bool("update", false, "write the table of variables into the README")

const readme = "../README.md"

func TestReadme_ListsTheVariablesThatTheProgramHas(t *testing.T) {
	text := read(t, readme)
	const begin, end = "|---|---|---|\n", "<!-- end of variables -->"
	marker := strings.Index(text, "<!-- variables:")
	from := marker + strings.Index(text[marker:], begin) + len(begin)
	to := strings.Index(text, end)
	if marker < 0 || to < from {
		t.Fatal("the markers around the table of variables are gone")
	}
	var table strings.Builder
	for _, v := range config.Variables() {
		name := strings.TrimPrefix(v.Name, config.Prefix+"_")
		fallback := v.Default
		if v.Required {
			fallback = "required"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", name, v.Meaning, fallback)
	}
	if text[from:to] == table.String() {
		return
	}
	if !*update {
		t.Fatalf("the table of variables is not the program's; write it with: go test ./internal -run Readme -update")
	}
	if err := os.WriteFile(readme, []byte(text[:from]+table.String()+text[to:]), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What the README shows of the manifest is a part of the whole manifest, which
// the tests against the API server apply.
func TestReadme_ShowsTheManifestAsItIs(t *testing.T) {
	manifest := unindented(read(t, "../examples/pod/init-container.yaml"))
	shown := block(t, "yaml")
	for _, line := range unindentedLines(shown) {
		if !strings.Contains(manifest, line+"\n") {
			t.Errorf("examples/pod/init-container.yaml has no line %q", line)
		}
	}
}

// A command line that lacks an option would be refused.
func TestReadme_ShowsACompleteCommandLineForTheFileLock(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, config.Prefix+"_") {
			t.Setenv(name, value) // puts it back afterwards
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	shown := regexp.MustCompile(`(?m)^k8s-await-election (--enabled (?:.*\\\n)*.*)$`).FindStringSubmatch(read(t, readme))
	if shown == nil {
		t.Fatal("the README shows no command line")
	}
	c, err := config.Load(strings.Fields(strings.ReplaceAll(shown[1], "\\\n", " ")))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Enabled || c.LockType != config.File || len(c.Command) == 0 || len(c.Warnings) > 0 {
		t.Errorf("read as %+v", c)
	}
}

func TestReadme_NamesOnlyTargetsThatTheMakefileHas(t *testing.T) {
	makefile := read(t, "../Makefile")
	named := regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)").FindAllStringSubmatch(read(t, readme), -1)
	if len(named) == 0 {
		t.Fatal("the README names no target")
	}
	for _, target := range named {
		if !regexp.MustCompile(`(?m)^` + target[1] + `:`).MatchString(makefile) {
			t.Errorf("make %s: the Makefile has no such target", target[1])
		}
	}
}

func TestReadme_LinksToFilesThatExist(t *testing.T) {
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(read(t, readme), -1) {
		if _, err := os.Stat("../" + link[1]); err != nil {
			t.Error(err)
		}
	}
}

func block(t *testing.T, language string) string {
	t.Helper()
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(read(t, readme))
	if found == nil {
		t.Fatalf("the README has no %s block", language)
	}
	return found[1]
}

func unindented(text string) string { return strings.Join(unindentedLines(text), "\n") + "\n" }

func unindentedLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
