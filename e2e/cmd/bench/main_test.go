package main

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestParse_MeasuresEverythingTenTimesByDefault(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-gate", "/bin/gate", "-tool", "other=/bin/other {child}"}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{Runs: 10, Lease: 15 * time.Second, Renew: 10 * time.Second, Retry: 2 * time.Second, Idle: time.Minute, Settle: 5 * time.Second, Soak: time.Minute, Short: time.Second, Crowds: []int{3, 50, 500}, Leases: 200}
	if !reflect.DeepEqual(o.settings, want) || !slices.Equal(o.only, figureNames) {
		t.Errorf("%+v of %v, want %+v", o.settings, o.only, want)
	}
	if len(o.tools) != 2 || !o.ours || o.tools[0].template[0] != "/bin/gate" {
		t.Errorf("tools %+v, ours %t", o.tools, o.ours)
	}
}

func TestParse_TakesTheNumberOfRunsFromTheEnvironmentUnlessAFlagSaysOtherwise(t *testing.T) {
	t.Parallel()
	if o, err := parse([]string{"-gate", "g"}, "1"); err != nil || o.settings.Runs != 1 {
		t.Errorf("by environment: %d, %v", o.settings.Runs, err)
	}
	if o, err := parse([]string{"-gate", "g", "-runs", "3"}, "1"); err != nil || o.settings.Runs != 3 {
		t.Errorf("by flag: %d, %v", o.settings.Runs, err)
	}
	if _, err := parse([]string{"-gate", "g"}, "many"); err == nil {
		t.Error("accepted a number of runs that is none")
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	for name, arguments := range map[string][]string{
		"no tool":                        {},
		"an unknown figure":              {"-gate", "g", "-only", "term,speed"},
		"no runs":                        {"-gate", "g", "-runs", "0"},
		"a lease of half a second":       {"-gate", "g", "-lease", "500ms"},
		"a lease of broken seconds":      {"-gate", "g", "-lease", "2500ms"},
		"a deadline past the lease":      {"-gate", "g", "-lease", "3s", "-renew", "3s"},
		"a retry past the deadline":      {"-gate", "g", "-lease", "3s", "-retry", "2s"},
		"a short lease of half a second": {"-gate", "g", "-short", "500ms"},
		"no soak":                        {"-gate", "g", "-soak", "0s"},
		"no idle time":                   {"-gate", "g", "-idle", "0s"},
		"a crowd of one":                 {"-gate", "g", "-crowds", "50,1"},
		"a crowd of many":                {"-gate", "g", "-crowds", "many"},
		"no leader":                      {"-gate", "g", "-leases", "0"},
		"an argument":                    {"-gate", "g", "more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o, err := parse(arguments, ""); err == nil {
				t.Errorf("accepted: %+v", o)
			}
		})
	}
}
