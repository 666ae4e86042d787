package config

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"
)

func TestTable_HasEachSettingOnceUnderTheNameThatEnvconfigReads(t *testing.T) {
	if fields := reflect.TypeFor[settings]().NumField(); fields != len(table) {
		t.Errorf("%d fields, %d rows", fields, len(table))
	}
	for _, r := range table {
		environment(t, map[string]string{r.name: "value"})
		var set settings
		if err := envconfig.Process(Prefix, &set); err != nil {
			t.Fatal(err)
		}
		if *r.value(&set) != "value" {
			t.Errorf("%s is not read into its field", r.name)
		}
		if err := os.Unsetenv(Prefix + "_" + r.name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSettings_HaveNoTagThatReadsAnUnprefixedVariable(t *testing.T) {
	for field := range reflect.TypeFor[settings]().Fields() {
		if tag, found := field.Tag.Lookup("envconfig"); found {
			t.Errorf("%s has the alternate name %q", field.Name, tag)
		}
	}
}

func TestVariables_CanStandInAMarkdownTable(t *testing.T) {
	all := Variables()
	if len(all) != len(table) {
		t.Fatalf("%d variables, %d rows", len(all), len(table))
	}
	for _, v := range all {
		if !strings.HasPrefix(v.Name, Prefix+"_") || !strings.HasPrefix(v.Flag, "--") || v.Meaning == "" || v.Example == "" {
			t.Errorf("incomplete: %+v", v)
		}
		if strings.ContainsAny(v.Name+v.Flag+v.Meaning+v.Default, "|\n") {
			t.Errorf("breaks a table: %+v", v)
		}
		if v.Required && v.Default != "" {
			t.Errorf("%s is required and has a default", v.Name)
		}
	}
}

func TestUsage_ExplainsEveryVariableAndActionWithinEightyColumns(t *testing.T) {
	usage := Usage()
	for _, v := range Variables() {
		if !strings.Contains(usage, "  "+v.Flag) || !strings.Contains(usage, v.Name+"\n") {
			t.Errorf("%s is missing", v.Name)
		}
		if v.Default != "" && !strings.Contains(strings.Join(strings.Fields(usage), " "), "(default "+v.Default+")") {
			t.Errorf("the default of %s is missing", v.Name)
		}
	}
	for _, action := range []string{"--install", "--status", "--check", "--version", "--help"} {
		if !strings.Contains(usage, action) {
			t.Errorf("%s is missing", action)
		}
	}
	for _, theirs := range append([]string{"k8s-elector", "leader-elector", "-kubeconfig", "-lock-type"}, theirWords...) {
		if !strings.Contains(usage, theirs) && !strings.HasPrefix(theirs, "KUBERNETES_") {
			t.Errorf("%s is missing", theirs)
		}
	}
	for _, f := range electorFlags[:5] { // the others are klog's
		if !strings.Contains(usage, " -"+f.name) {
			t.Errorf("-%s is missing", f.name)
		}
	}
	for line := range strings.Lines(usage) {
		if len(line) > 81 {
			t.Errorf("longer than 80: %s", line)
		}
	}
}

func TestNearest_FindsWhatWasMeantAndNothingElse(t *testing.T) {
	t.Parallel()
	names := []string{"h", "name", "lock-name", "lock-type", "on-lost", "lease-duration", "version"}
	for word, want := range map[string]string{
		"lease-duraton": "lease-duration", "leaseduration": "lease-duration", "locktype": "lock-type", "nam": "name",
		"verson": "version", "nope": "", "x": "", "election": "", "port": "", "": "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest to %q: %q, want %q", word, got, want)
		}
	}
}
