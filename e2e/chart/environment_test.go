package chart

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

func TestEnvironment_HasNoVariableTwiceAndNoneThatTheGateDoesNotKnow(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, variable := range config.Variables() {
		known[variable.Name] = true
	}
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		w := workloadOf(t, r)
		seen := map[string]bool{}
		for _, variable := range w.elected(t).Env {
			if seen[variable.Name] {
				t.Errorf("%s is set twice", variable.Name)
			}
			seen[variable.Name] = true
			if strings.HasPrefix(variable.Name, config.Prefix+"_") && !known[variable.Name] {
				t.Errorf("%s is no variable of the gate", variable.Name)
			}
		}
		for _, c := range w.others() {
			for _, variable := range c.Env {
				if strings.HasPrefix(variable.Name, config.Prefix+"_") {
					t.Errorf("container %s, which stands for no election, has %s", c.Name, variable.Name)
				}
			}
		}
	})
}

// The program itself judges what it is given. It reads all of its configuration,
// and says all that is wrong with it, before it looks for the kubeconfig file,
// which is the one thing that the test has made wrong.
func TestEnvironment_IsAcceptedByTheGate(t *testing.T) {
	t.Parallel()
	eachRow(t, func(t *testing.T, _ row, r *rendering) {
		status, said := judge(t, workloadOf(t, r).elected(t))
		if !isAccepted(status, said) {
			t.Errorf("the gate ends with %d and says\n%s", status, said)
		}
	})
}

func TestEnvironment_IsJudgedByTheGate(t *testing.T) {
	t.Parallel()
	c := workloadOf(t, render(t, input{set: twoValues})).elected(t)
	for what, variable := range map[string]corev1.EnvVar{
		"a bad value":          {Name: config.Prefix + "_LEASE_DURATION", Value: "soon"},
		"an unknown variable":  {Name: config.Prefix + "_LEASE_DURATON", Value: "15"},
		"a bad probe":          {Name: config.Prefix + "_LIVENESS_PROBE_JSON", Value: "{}"},
		"what looks like a no": {Name: config.Prefix + "_ENABLED", Value: "false"},
	} {
		bad := c
		bad.Env = append(slices.Clone(c.Env), variable)
		if status, said := judge(t, bad); isAccepted(status, said) {
			t.Errorf("%s goes unnoticed: %s", what, said)
		}
	}
}

// kubeconfig does not exist.
const kubeconfig = "/nonexistent/kubeconfig"

// isAccepted tells whether the gate found nothing else wrong: it ends for the lack
// of the file, and warns of nothing but that it is not the first process here.
func isAccepted(status int, said string) bool {
	others := 0
	for line := range strings.Lines(said) {
		if !strings.Contains(line, "not PID 1") && !strings.Contains(line, kubeconfig) && !strings.Contains(line, "level=INFO") {
			others++
		}
	}
	return status == 78 && strings.Contains(said, kubeconfig) && others == 0
}

// judged counts the gates that have been run.
var judged atomic.Uint32

// judge runs the gate with the container's environment, and nothing else in it.
func judge(t *testing.T, c corev1.Container) (status int, said string) {
	t.Helper()
	// Two gates of one identity on one machine would meet.
	pod := fmt.Sprintf("shop-%d-%d", os.Getpid(), judged.Add(1))
	variables := environment(c, podFields(namespace, pod))
	variables[config.Prefix+"_KUBECONFIG"] = kubeconfig
	variables["PATH"] = "/usr/bin:/bin"
	// In the Pod these are in a volume.
	for _, file := range []string{"_STATUS_FILE", "_STATUS_DIR"} {
		if path := variables[config.Prefix+file]; path != "" {
			variables[config.Prefix+file] = filepath.Join(t.TempDir(), filepath.Base(path))
		}
	}
	words := c.Args
	if isGated(c) {
		words = []string{"true"}
	}
	cmd := exec.CommandContext(t.Context(), programs.Gate, words...)
	cmd.Env = []string{}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		cmd.Env = append(cmd.Env, name+"="+variables[name])
	}
	output, _ := cmd.CombinedOutput() // the status tells
	return cmd.ProcessState.ExitCode(), string(output)
}
