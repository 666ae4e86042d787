package apiserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is kube-apiserver or etcd, for those who want to hurt it. Its methods
// may be called from one goroutine at a time.
type Process struct {
	name string
	// wrapper is what envtest starts in place of the binary: envtest does not
	// tell the process id, and does not end what it started when the caller is
	// killed.
	wrapper string
	pidFile string
}

// wrap writes the wrapper script of a binary into dir. The script notes its
// process id, then becomes the binary. Beside it waits a shell that reads from
// the fifo `alive`, whose only writer is the calling process: when the read
// ends, that process is gone, and so must be the binary, unless its process id
// has been withdrawn since; and, once every such shell has had time to look for
// that, all files.
func wrap(dir, binary, alive string) (*Process, error) {
	p := &Process{
		name:    filepath.Base(binary),
		wrapper: filepath.Join(dir, filepath.Base(binary)),
		pidFile: filepath.Join(dir, filepath.Base(binary)+".pid"),
	}
	script := fmt.Sprintf(`#!/bin/sh
if [ "$1" != --help ]; then
	echo $$ >%[2]s
	(
		read -r _ <%[3]s
		[ "$(cat %[2]s)" = $$ ] && kill -KILL $$ && sleep 1 && rm -rf %[4]s
	) >/dev/null 2>&1 </dev/null &
fi
exec %[1]s "$@"
`, quote(binary), quote(p.pidFile), quote(alive), quote(dir))
	// Executed right away: the mode has to be there from the start.
	if err := os.WriteFile(p.wrapper, []byte(script), 0o755); err != nil { //nolint:gosec // a script in a private directory
		return nil, fmt.Errorf("write the wrapper of %s: %w", p.name, err)
	}
	return p, nil
}

// quote makes a shell word of any text.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// PID is the process id while the process runs, an error otherwise.
func (p *Process) PID() (int, error) {
	text, err := os.ReadFile(p.pidFile)
	if err != nil {
		return 0, fmt.Errorf("find the process of %s: %w", p.name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("find the process of %s: %w", p.name, err)
	}
	return pid, nil
}

// Pause stops the process with SIGSTOP: its connections stay open and nothing
// is answered. Resume lets it go on.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume continues a paused process; for one that is not paused it does
// nothing.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// Terminate asks the process to end with SIGTERM, and does not wait: an API
// server takes no new connections from then on, and goes on serving watches for
// up to a minute.
func (p *Process) Terminate() error { return p.signal(syscall.SIGTERM) }

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() error {
	pid, err := p.PID()
	if err != nil {
		return err
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	// envtest collects the process in a goroutine of its own.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return p.withdraw()
		}
	}
	return fmt.Errorf("kill %s: process %d does not go away", p.name, pid)
}

func (p *Process) signal(sig syscall.Signal) error {
	pid, err := p.PID()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("send %v to %s: %w", sig, p.name, err)
	}
	return nil
}

// withdraw forgets the process id, which from now on may be anybody's.
func (p *Process) withdraw() error {
	if err := os.Remove(p.pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the process of %s: %w", p.name, err)
	}
	return nil
}
