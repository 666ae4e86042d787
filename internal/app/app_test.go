package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/child"
	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

func TestExitStatus_TellsTheCauseOfTheEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		cause  error
		status int
		want   int
	}{
		{nil, 0, 0},
		{nil, 143, 143},
		{gate.ErrLost, 3, 75},
		{gate.ErrAlive, 0, 75},
		{child.ErrUnguarded, 143, 75},
		{errors.Join(command.ErrNotFound, errors.New("release failed")), 0, 127},
		{command.ErrNotExecutable, 0, 126},
		{errConfig, 0, 78},
		{errors.New("anything else"), 0, 1},
	} {
		cause := row.cause
		if cause != nil {
			cause = fmt.Errorf("in a room: %w", cause)
		}
		if got := exitStatus(row.status, cause); got != row.want {
			t.Errorf("%v: %d, want %d", cause, got, row.want)
		}
	}
}

// run runs the program with these variables of ours alone.
func run(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "K8S_AWAIT_ELECTION_") {
			t.Setenv(name, "")
		}
	}
	for name, value := range variables {
		t.Setenv("K8S_AWAIT_ELECTION_"+name, value)
	}
	var stdout, stderr bytes.Buffer
	status = Main(Program{
		Args: args, Environ: os.Environ(), Version: "v1.2.3", Stdout: &stdout, Stderr: &stderr,
		Catch: func([]os.Signal) <-chan os.Signal { t.Fatal("signals are caught without an election"); return nil },
	})
	return status, stdout.String(), stderr.String()
}

func TestMain_TellsItsVersion(t *testing.T) {
	if status, out, errs := run(t, nil, "--version"); status != 0 || out != "v1.2.3\n" || errs != "" {
		t.Errorf("%d, %q, %q", status, out, errs)
	}
}

// Rooms parse what config hands on as text: their mistakes are told beside its
// own.
func TestMain_TellsAllMistakesAtOnceAndNoValue(t *testing.T) {
	const secret = "hunter2"
	status, _, errs := run(t, map[string]string{
		"ENABLED": "1", "LOCK_NAME": "db", "LOCK_NAMESPACE": "prod", "IDENTITY": "db-0",
		"STOP_SIGNAL": secret, "READINESS_PROBE_JSON": secret, "LIVENESS_PROBE_JSON": secret, "STARTUP_PROBE_JSON": secret,
		"SERVICE_NAME": "db", "POD_IP": "10.0.0.1", "SERVICE_PORTS_JSON": secret, "POD_LABEL": "=" + secret,
		"POD_NAME": "db-0", "POD_NAMESPACE": "prod", "LEASE_DURATION": secret,
	}, "server")
	if status != 78 || strings.Contains(errs, secret) {
		t.Errorf("ended with %d and said %s", status, errs)
	}
	for _, name := range []string{"NAME", "STOP_SIGNAL", "READINESS_PROBE_JSON", "LIVENESS_PROBE_JSON", "STARTUP_PROBE_JSON", "SERVICE_PORTS_JSON", "POD_LABEL", "LEASE_DURATION"} {
		if !strings.Contains(errs, "K8S_AWAIT_ELECTION_"+name+": ") {
			t.Errorf("%s is not named in:\n%s", name, errs)
		}
	}
}
