package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Down ends the cluster and removes everything it has made. Where there is none
// it does nothing; while others have reserved it, it waits, and says so to
// progress. After an error it can be called again. Who has reserved the cluster
// himself calls Reservation.Down.
func Down(ctx context.Context, progress io.Writer) error {
	if err := requireRoot(); err != nil {
		return err
	}
	release, err := reserve(ctx, Dir, progress)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	return downReserved(ctx)
}

func downReserved(ctx context.Context) error {
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer unlock()
	return down(ctx, Dir)
}

func down(ctx context.Context, dir string) error {
	if err := takeDown(ctx, dir, cleaning); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the cluster's directory: %w", err)
	}
	_ = os.Remove(filepath.Dir(dir)) // unless somebody else has something there
	return nil
}

// takeDown removes all but the logs. The state file goes last: until then it can
// be done again.
func takeDown(ctx context.Context, dir string, steps []step) error {
	s, err := load(dir)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, step := range steps {
		if err := step.patiently(ctx, s); err != nil {
			return fmt.Errorf("take the cluster down: %s: %w", step.what, err)
		}
	}
	return removeFiles(dir)
}

// step is a part of the cleaning up.
type step struct {
	what string
	do   func(context.Context, *state) error
}

func (s step) patiently(ctx context.Context, of *state) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.do(ctx, of)
}

// cleaning is the order in which a cluster is taken down. Frozen processes do
// not die, groups with processes cannot be removed, and the kernel's settings
// are those of the kubelets for as long as these run.
var cleaning = []step{
	{"thaw the machines", thawMachines},
	{"end the machines", endMachines},
	{"remove the host's link", removeLink},
	{"remove the control groups", removeGroups},
	{"restore kernel settings", restoreSysctls},
}

func thawMachines(_ context.Context, s *state) error {
	for name := range s.Machines {
		if err := thaw(name); err != nil {
			return err
		}
	}
	return nil
}

// endMachines ends the first process of each machine: the kernel ends all others
// of its PID namespace with it, before it is gone itself.
func endMachines(ctx context.Context, s *state) error {
	var errs []error
	for _, p := range s.Machines {
		if s.alive(p) {
			errs = append(errs, p.kill(ctx))
		}
	}
	return errors.Join(errs...)
}

// removeLink does not wait for the kernel, which removes the link with its other
// end some time after the machine has gone.
func removeLink(ctx context.Context, _ *state) error {
	return Poll(ctx, 20*time.Millisecond, func() error {
		if _, err := net.InterfaceByName(hostLink); err != nil {
			return nil
		}
		return run(ctx, "ip", "link", "delete", hostLink)
	})
}

// removeFiles removes everything but the logs. It looks for mounts before: what
// is mounted below is not the cluster's to remove.
func removeFiles(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("look for mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			return fmt.Errorf("%s is mounted, and not by the cluster: unmount it", fields[4])
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("remove the cluster's files: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if path == stateFile(dir) || path == logsDir(dir) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the cluster's files: %w", err)
		}
	}
	if err := os.Remove(stateFile(dir)); err != nil {
		return fmt.Errorf("remove the cluster's files: %w", err)
	}
	return nil
}
