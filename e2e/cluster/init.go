package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// pace is how often a machine looks whether a component may be started.
const pace = 50 * time.Millisecond

// RunMachine is the life of the first process of a machine. Up has started it,
// in namespaces of its own, with the file name as its argument; nobody else
// calls this. It returns only with an error.
func RunMachine(file string) error {
	// Nothing may be done before this machine is noted: Up writes one byte then.
	begin := os.NewFile(3, "begin")
	if _, err := io.ReadFull(begin, make([]byte, 1)); err != nil {
		return fmt.Errorf("wait to begin: %w", err)
	}
	_ = begin.Close()

	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	m := &machine{}
	if err := json.Unmarshal(text, m); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := m.settle(); err != nil {
		return fmt.Errorf("set up %s: %w", m.Name, err)
	}
	return m.keepRunning()
}

// settle makes these namespaces a machine.
func (m *machine) settle() error {
	for _, join := range m.Joins {
		if err := os.WriteFile(join, []byte("0"), 0); err != nil {
			return err
		}
	}
	if err := syscall.Sethostname([]byte(m.Name)); err != nil {
		return err
	}
	for _, mount := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{target: "/", flags: syscall.MS_REC | syscall.MS_PRIVATE}, // nothing gets out
		{target: "/", flags: syscall.MS_REC | syscall.MS_SHARED},  // containers may share among themselves
		{source: "proc", target: "/proc", kind: "proc", flags: syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC},
		{source: "tmpfs", target: "/run", kind: "tmpfs", flags: syscall.MS_NOSUID | syscall.MS_NODEV},
	} {
		if err := syscall.Mount(mount.source, mount.target, mount.kind, mount.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", mount.target, err)
		}
	}
	for name, value := range m.Sysctls {
		err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
		if err != nil && !isAbsent(err) {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// keepRunning starts the components and starts again those that end. It is the
// one place that waits for processes: as the first process of its namespace this
// one inherits the orphans, which are the containers' shims.
func (m *machine) keepRunning() error {
	// Before /var/lib, where they are, is covered.
	stopped, err := os.OpenRoot(m.stopped())
	if err != nil {
		return err
	}
	logs := map[string]*os.File{}
	for _, c := range m.Components {
		if logs[c.Name], err = os.OpenFile(m.logFile(c.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return err
		}
	}
	if err := syscall.Mount(m.log(), "/var/log", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /var/log: %w", err)
	}
	if m.Shared != "" {
		if err := syscall.Mount(m.Shared, m.sharedMount(), "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", SharedDir, err)
		}
	}
	if err := syscall.Mount(m.lib(), "/var/lib", "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("mount /var/lib: %w", err)
	}

	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	r := &reaper{env: m.Env, stdin: null, waiting: map[int]chan struct{}{}}
	for _, c := range m.Components {
		go func() {
			for {
				for !mayStart(c, stopped) {
					time.Sleep(pace)
				}
				if ended, err := r.start(c, logs[c.Name]); err != nil {
					_, _ = fmt.Fprintf(os.Stderr, "start %s: %v\n", c.Name, err)
				} else {
					<-ended
					_, _ = fmt.Fprintf(os.Stderr, "%s has ended\n", c.Name)
				}
				time.Sleep(10 * pace) // one that ends at once must not take the machine's time
			}
		}()
	}
	return r.run()
}

func mayStart(c component, stopped *os.Root) bool {
	if _, err := stopped.Stat(c.Name); err == nil {
		return false
	}
	if c.After == "" {
		return true
	}
	_, err := os.Stat(c.After)
	return err == nil
}

// reaper starts processes and waits for all there are.
type reaper struct {
	env   []string
	stdin *os.File
	// mu keeps a process that ends at once from being collected before it is
	// known.
	mu      sync.Mutex
	waiting map[int]chan struct{}
}

// start returns a channel that is closed when the process has ended.
func (r *reaper) start(c component, log *os.File) (<-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := os.StartProcess(c.Command[0], c.Command, &os.ProcAttr{
		Dir: "/", Env: r.env, Files: []*os.File{r.stdin, log, log}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	r.waiting[p.Pid] = ended
	return ended, p.Release()
}

func (r *reaper) run() error {
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			time.Sleep(pace)
		case err != nil && !errors.Is(err, syscall.EINTR):
			return fmt.Errorf("wait for processes: %w", err)
		case err == nil:
			r.mu.Lock()
			if ended, ok := r.waiting[pid]; ok {
				delete(r.waiting, pid)
				close(ended)
			}
			r.mu.Unlock()
		}
	}
}
