package chart

import (
	"slices"
	"strings"
	"testing"
)

// TestTexts_ReachTheContainerAsTyped: what is read as a number or as a boolean is
// a text again, and what is a syntax elsewhere is none here. $(NAME) is left to
// Kubernetes, as in any container.
func TestTexts_ReachTheContainerAsTyped(t *testing.T) {
	t.Parallel()
	const image = "app.image.repository=redis"
	for _, row := range []struct {
		name string
		input
		command []string
		env     map[string]string
		image   string
	}{
		{
			name:    "two values",
			input:   input{set: twoValues},
			command: []string{"redis-server", "--port", "6379"}, image: "redis",
		},
		{
			name: "by --set",
			input: input{set: []string{image, "app.image.tag=8", "app.command={sleep,1e3,true,-1,0755,12345678901}", "app.args={a\\,b}",
				"app.env.PORT=6379", "app.env.DEBUG=false", "app.env.BIG=9007199254740993", "app.env.LEADING=007"}},
			command: []string{"sleep", "1e3", "true", "-1", "0755", "12345678901", "a,b"},
			env:     map[string]string{"PORT": "6379", "DEBUG": "false", "BIG": "9007199254740993", "LEADING": "007"}, image: "redis:8",
		},
		{
			name:    "by --set-json",
			input:   input{set: []string{image}, setJSON: []string{`app.command=["a",1,true,1.5]`, `app.env={"A":1}`}},
			command: []string{"a", "1", "true", "1.5"}, env: map[string]string{"A": "1"}, image: "redis",
		},
		{
			name:    "by --set-string",
			input:   input{set: []string{image, "app.command={a}"}, setString: []string{"app.image.tag=1.10", "app.env.A=1.10"}},
			command: []string{"a"}, env: map[string]string{"A": "1.10"}, image: "redis:1.10",
		},
		{
			name:  "numbers and booleans in a file",
			input: input{yaml: numbers},
			command: []string{"redis-server", "--port", "6379", "--appendonly", "true", "12345678", "1.5", "0644", "31",
				"1000", "false", "9007199254740991"},
			env:   map[string]string{"PORT": "6379", "DEBUG": "true", "VERBOSE": "false", "BIG": "12345678901", "RATIO": "0.25", "NOTHING": ""},
			image: "redis:8",
		},
		{
			name:  "texts that are a syntax somewhere",
			input: input{yaml: syntax},
			command: []string{"sh", "-c", `exec "$0" '{{ .Values.app }}' $(HOSTNAME) $$(id) ` + "\t\n#x", "- a: b", "", " ",
				"ünïcödé ☃", "null", "~"},
			env: map[string]string{
				"A_FIRST": "base", "QUOTES": "\"'`", "TEMPLATE": "{{ .Release.Name }}", "REFERENCE": "base/x", "ESCAPED": "$(A_FIRST)",
				"LINES": "a\nb\n", "SNOWMAN": "☃", "YAML": "a: [b, c]",
			},
			image: "redis",
		},
		{
			name:    "a digest",
			input:   input{yaml: digests},
			command: []string{"redis-server"},
			image:   "registry.example.org:5000/team/redis:8@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		},
		{
			name:    "a command that looks like an option",
			input:   input{yaml: "app: {image: {repository: redis}, command: [--version]}"},
			command: []string{"--version"}, image: "redis",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := workloadOf(t, render(t, row.input)).app(t)
			got := append(slices.Clone(c.Command), c.Args...)[1:]
			if strings.HasPrefix(row.command[0], "-") {
				row.command = append([]string{"--"}, row.command...) // or it is taken for an option of the gate's
			} else if got[0] == "--" {
				got = got[1:]
			}
			if !slices.Equal(got, row.command) {
				t.Errorf("the command is\n%q, want\n%q", got, row.command)
			}
			found := environment(c, podFields(namespace, "shop-0"))
			for name, want := range row.env {
				if value, is := found[name]; !is || value != want {
					t.Errorf("%s is %q, want %q", name, value, want)
				}
			}
			if c.Image != row.image {
				t.Errorf("the image is %s, want %s", c.Image, row.image)
			}
		})
	}
}
