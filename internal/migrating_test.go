package internal_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

const migrating = "../docs/migrating.md"

// tablesOfWords are the two columns of each table of words, under its heading.
func tablesOfWords(t *testing.T) map[string][2][]string {
	t.Helper()
	word := regexp.MustCompile("`(-?[A-Za-z0-9_-]+=[^`]+)`")
	tables := map[string][2][]string{}
	heading, inside := "", false
	for line := range strings.Lines(read(t, migrating)) {
		switch {
		case strings.HasPrefix(line, "## "):
			heading = strings.TrimSpace(line[3:])
		case strings.HasPrefix(line, "<!-- words:"):
			inside = true
		case strings.HasPrefix(line, "<!-- end of words"):
			inside = false
		case inside && strings.HasPrefix(line, "|"):
			columns := strings.Split(line, "|")
			table := tables[heading]
			for i := range table {
				for _, found := range word.FindAllStringSubmatch(columns[i+1], -1) {
					table[i] = append(table[i], found[1])
				}
			}
			tables[heading] = table
		}
	}
	return tables
}

// told loads words: flags as arguments, the others as variables, which are given
// that prefix.
func told(t *testing.T, words []string, prefix string, command ...string) *config.Config {
	t.Helper()
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, config.Prefix+"_") || name == "LEASE_NAME" {
			t.Setenv(name, value) // puts it back afterwards
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	args := []string{}
	for _, word := range words {
		if strings.HasPrefix(word, "-") {
			args = append(args, word)
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		t.Setenv(prefix+name, value)
	}
	c, err := config.Load(append(args, command...))
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return c
}

// facts are a configuration but for the words that it came by.
func facts(c *config.Config) map[string]any {
	all := map[string]any{}
	v := reflect.ValueOf(c).Elem()
	for field, value := range v.Fields() {
		if field.IsExported() {
			all[field.Name] = value.Interface()
		}
	}
	return all
}

func TestMigrating_HasTablesWhoseColumnsMeanTheSame(t *testing.T) {
	tables := tablesOfWords(t)
	for _, tool := range []string{"k8s-elector", "leader-elector"} {
		t.Run(tool, func(t *testing.T) {
			table := tables[tool]
			if len(table[0]) == 0 || len(table[1]) == 0 {
				t.Fatal("the table is gone")
			}
			var got, want map[string]any
			// One after the other, for the variables are the process's.
			t.Run("theirs", func(t *testing.T) { got = facts(told(t, table[0], "")) })
			t.Run("ours", func(t *testing.T) { want = facts(told(t, table[1], config.Prefix+"_")) })
			if tool == "leader-elector" { // a port of its own has no word of ours
				want["HealthEndpoint"] = ":8080"
			}
			for name := range want {
				if !reflect.DeepEqual(got[name], want[name]) {
					t.Errorf("%s: %v in their words, %v in ours", name, got[name], want[name])
				}
			}
		})
	}
}

func TestMigrating_NamesVariablesOfLINBITsThatAreRead(t *testing.T) {
	words := tablesOfWords(t)["LINBIT's k8s-await-election"][0]
	if len(words) == 0 {
		t.Fatal("the table is gone")
	}
	c := told(t, words, "", "server")
	if !c.Enabled || len(c.Warnings) > 0 {
		t.Errorf("read as %+v", c)
	}
}

func TestMigrating_LinksToFilesAndHeadingsThatExist(t *testing.T) {
	text := read(t, migrating)
	for _, link := range regexp.MustCompile(`\]\(([^):]+)\)`).FindAllStringSubmatch(text, -1) {
		path, heading, _ := strings.Cut(link[1], "#")
		if _, err := os.Stat("../docs/" + path); err != nil {
			t.Error(err)
		}
		if heading != "" && !strings.Contains(strings.ToLower(text), "\n## "+heading+"\n") {
			t.Errorf("no heading %s", heading)
		}
	}
}
