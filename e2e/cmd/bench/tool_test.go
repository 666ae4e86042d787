package main

import (
	"slices"
	"testing"
	"time"
)

func TestParseTool_RefusesWhatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no name":                "=/bin/other {child}",
		"no command line":        "other=",
		"no equals sign":         "/bin/other {child}",
		"no child":               "other=/bin/other --id {identity}",
		"an unknown placeholder": "other=/bin/other {idnetity} {child}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseTool(text); err == nil {
				t.Errorf("accepted %q", text)
			}
		})
	}
}

func TestTool_FillsInItsPlaceholders(t *testing.T) {
	t.Parallel()
	other, err := parseTool("other tool=/opt/other --id={identity} {namespace}/{lease} {kubeconfig} {endpoint} {lease-duration} {renew-deadline} {retry-period} {\"json\":{}} --run={child} -- {child}")
	if err != nil {
		t.Fatal(err)
	}
	got, err := other.command(scene{
		identity: "a", namespace: "n", lease: "l", kubeconfig: "/k", endpoint: "e:1", child: []string{"run", "{identity}"},
		leaseDuration: 15 * time.Second, renewDeadline: 10 * time.Second, retryPeriod: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/opt/other", "--id=a", "n/l", "/k", "e:1", "15s", "10s", "2s", `{"json":{}}`, "--run=run {identity}", "--", "run", "{identity}"}
	if other.name != "other tool" || !slices.Equal(got, want) {
		t.Errorf("%q: %q, want %q", other.name, got, want)
	}
}

func TestTool_IsShownWithoutItsFolder(t *testing.T) {
	t.Parallel()
	if got := (tool{template: []string{"/home/me/other", "{child}"}}).shown(); got != "other {child}" {
		t.Errorf("got %q", got)
	}
}
