package chart

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

// forms are the values that differ in who stands for election.
var forms = map[string]string{
	"gate":    "app: {image: {repository: redis}, command: [a], ports: {redis: 6379}}\n",
	"sidecar": "mode: sidecar\napp: {image: {repository: redis}, ports: {redis: 6379}}\n",
}

func extraEnv(name string, value any) string {
	text, err := json.Marshal(map[string]any{"extraEnv": map[string]any{name: value}})
	if err != nil {
		panic(err)
	}
	return "gate: " + string(text) + "\n"
}

// A variable that an earlier values file has set, and a later one takes out, is
// the chart's again: above all ENABLED, without which the command runs in every
// Pod.
func TestExtraEnv_ThatIsNullIsAsIfItWereNotThere(t *testing.T) {
	t.Parallel()
	for form, yaml := range forms {
		want := workloadOf(t, render(t, input{yaml: yaml})).template.Spec
		for _, variable := range config.Variables() {
			got := workloadOf(t, render(t, input{yaml: yaml + extraEnv(variable.Name, nil)})).template.Spec
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: a null for %s changes the Pods: %v", form, variable.Name, got)
			}
		}
	}
}

// free are the variables of which the chart has no key, so that gate.extraEnv is
// the place for them.
var free = map[string]bool{
	"ENABLED": true, "KUBECONFIG": true, "SERVICE_PUBLISH": true, "STOP_TIMEOUT": true, "POD_IP": true, "NODE_NAME": true,
}

// Rights, probes and the Service follow the chart's keys, and not variables that
// say otherwise.
func TestExtraEnv_IsRefusedWhereAKeyOfTheChartSaysTheSame(t *testing.T) {
	t.Parallel()
	for _, variable := range config.Variables() {
		t.Run(variable.Name, func(t *testing.T) {
			t.Parallel()
			in := input{yaml: forms["gate"] + extraEnv(variable.Name, "")}
			if free[strings.TrimPrefix(variable.Name, config.Prefix+"_")] {
				render(t, in)
			} else {
				checkRefusal(t, in, "gate.extraEnv."+variable.Name, "refused")
			}
		})
	}
}

// An empty ENABLED shows what happens without an election; who has it by mistake
// is to read it.
func TestNotes_SayThatTheElectionIsOff(t *testing.T) {
	t.Parallel()
	for form, yaml := range forms {
		for value, off := range map[any]bool{"": form == "gate", nil: false} {
			notes := render(t, input{yaml: yaml + extraEnv(config.Prefix+"_ENABLED", value)}).notes
			if got := strings.HasPrefix(notes, "WARNING: THE ELECTION IS OFF"); got != off {
				t.Errorf("%s, ENABLED %s: the notes begin with %q", form, fmt.Sprintf("%#v", value), strings.SplitN(notes, "\n", 2)[0])
			}
		}
	}
}
