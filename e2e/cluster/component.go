package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// What runs on the machines. Each is the name of its program too.
var (
	controlComponents = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"}
	nodeComponents    = []string{"containerd", "kubelet", "kube-proxy"}
)

// Component is one of the programs that run on a machine, for those who want to
// hurt it: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and
// kube-proxy on `control`, containerd, kubelet and kube-proxy on a node.
type Component struct {
	name    string
	program string
	machine process
	stopped string
}

// errNotRunning is about a component that has no process now.
var errNotRunning = errors.New("it does not run")

// PID is the process id as the host sees it, an error where it does not run.
func (c *Component) PID() (int, error) {
	p, err := c.process()
	return p.PID, err
}

// Pause stops the component with SIGSTOP: its connections stay open and nothing
// is answered. Resume lets it go on.
func (c *Component) Pause() error { return c.signal(syscall.SIGSTOP) }

// Resume continues a paused component; for one that is not paused it does
// nothing, also where it ends and is started again at the moment, as a kubelet is
// until containerd answers.
func (c *Component) Resume() error {
	err := c.signal(syscall.SIGCONT)
	if errors.Is(err, errNotRunning) || errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Kill ends the component with SIGKILL and waits until it is gone. It stays away
// until Start, also where it did not run.
func (c *Component) Kill(ctx context.Context) error {
	// Before the kill: the machine looks for it when the component has ended.
	if err := os.WriteFile(c.stopped, nil, 0o600); err != nil {
		return fmt.Errorf("kill %s: %w", c.name, err)
	}
	// Twice: the machine may have looked a moment before.
	for range 2 {
		if p, err := c.process(); err == nil {
			if err := p.kill(ctx); err != nil {
				return fmt.Errorf("kill %s: %w", c.name, err)
			}
		}
		time.Sleep(pace)
	}
	return nil
}

// Start lets the machine start the component again after Kill, and returns when
// the process is there; it need not answer yet.
func (c *Component) Start(ctx context.Context) error {
	if err := os.Remove(c.stopped); err != nil && !isAbsent(err) {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	if err := Poll(ctx, pace, func() error { _, err := c.process(); return err }); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	return nil
}

func (c *Component) process() (process, error) {
	p, found, err := child(c.machine, c.program)
	if err == nil && !found {
		err = errNotRunning
	}
	if err != nil {
		return process{}, fmt.Errorf("find %s: %w", c.name, err)
	}
	return p, nil
}

func (c *Component) signal(sig syscall.Signal) error {
	p, err := c.process()
	if err != nil {
		return err
	}
	if err := p.signal(sig); err != nil {
		return fmt.Errorf("send %v to %s: %w", sig, c.name, err)
	}
	return nil
}
