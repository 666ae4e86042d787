package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// run runs a command to its end; what it wrote is in the error.
func run(ctx context.Context, command ...string) error { return runInput(ctx, nil, command...) }

func runInput(ctx context.Context, input io.Reader, command ...string) error {
	_, err := output(ctx, input, command...)
	return err
}

func output(ctx context.Context, input io.Reader, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(errs.String()+out.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// enter is the prefix of a command that runs in namespaces of a machine.
func (s *state) enter(machine string, namespaces ...string) []string {
	prefix := append([]string{"nsenter", "--target", strconv.Itoa(s.Machines[machine].PID)}, namespaces...)
	return append(prefix, "--")
}
