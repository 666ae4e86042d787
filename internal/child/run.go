//go:build linux

package child

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Run runs an exec probe beside the command: in a process group of its own, with
// stdin from /dev/null, and waits until it has ended. The status is a shell's,
// the output is stdout and stderr together, cut after 10 KiB. env is its whole
// environment; nil means ours.
//
// When ctx ends the probe's group is killed, and Run returns at once with the
// cause of ctx's end, never waiting for a process. What a probe leaves running
// when it ends by itself is left alone, as the kubelet does, and dies with the
// next Sweep; its output is not waited for either. Where err is not nil, status
// is -1.
//
// A command that cannot be run has the status 127 or 126 and the reason as its
// output. ErrSweeping: no command is running.
func (s *Supervisor) Run(ctx context.Context, argv, env []string) (status int, output []byte, err error) {
	if len(argv) == 0 {
		return -1, nil, errors.New("exec probe: its command line is empty")
	}
	if env == nil {
		env = os.Environ()
	}
	p, err := s.spawn(ctx, spawn{argv: argv, env: env})
	if err != nil {
		return -1, nil, fmt.Errorf("exec probe: %w", err)
	}
	out := collect(p.output)
	select {
	case <-p.exited:
		return p.status, out.take(), nil
	case <-ctx.Done():
		p.killGroup()
		return -1, out.take(), fmt.Errorf("exec probe: killed, as it had not ended: %w", context.Cause(ctx))
	}
}
