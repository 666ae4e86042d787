package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Container is one run of a gate. Its methods may be called from any goroutine.
type Container struct {
	// Pod is what it was started from.
	Pod Pod
	// Status is the address of its status server.
	Status string

	cmd    *exec.Cmd
	folder string
	status int
	ended  chan struct{}
}

// furnish is what the first process of new PID, mount and UTS namespaces does
// before it becomes the gate. The host has the Pod's name.
const furnish = `mount --make-rprivate / && mount -t proc proc /proc && echo "$0" >/proc/sys/kernel/hostname && exec "$@"`

// start starts the command line with exactly this environment.
func start(folder string, pod Pod, environ, command []string) (*Container, error) {
	c := &Container{Pod: pod, folder: folder, ended: make(chan struct{})}
	attr := &syscall.SysProcAttr{
		Setsid:     true, // Ctrl-C is for the test alone
		Pdeathsig:  syscall.SIGKILL,
		Credential: pod.User,
	}
	if pod.isInit() {
		attr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS
		command = append([]string{"/bin/sh", "-c", furnish, pod.Name}, command...)
	}
	c.cmd = exec.Command(command[0], command[1:]...)
	c.cmd.SysProcAttr = attr
	c.cmd.Env = environ
	stdout, err := os.Create(c.file("stdout"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = stdout.Close() }() // the gate has its own copies
	stderr, err := os.Create(c.file("stderr"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	c.cmd.Stdout, c.cmd.Stderr = stdout, stderr
	if pod.Network != nil {
		pod.Network.Do(func() { err = c.cmd.Start() })
	} else {
		fork(func() { err = c.cmd.Start() })
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", pod.Name, err)
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // the state tells all
		c.status = c.cmd.ProcessState.ExitCode()
		if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			c.status = 128 + int(s.Signal())
		}
	}()
	return c, nil
}

var (
	forks  = make(chan func())
	forker sync.Once
)

// fork calls f on a thread that does not end: the end of a thread is the death of
// all that it has started with a parent-death signal (prctl(2)).
func fork(f func()) {
	forker.Do(func() {
		go func() {
			runtime.LockOSThread()
			for f := range forks {
				f()
			}
		}()
	})
	done := make(chan struct{})
	forks <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (c *Container) file(name string) string { return filepath.Join(c.folder, name) }

// PID is the gate's process id, outside of its namespace.
func (c *Container) PID() int { return c.cmd.Process.Pid }

// Signal sends a signal to the gate. One that has ended is no error.
func (c *Container) Signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// Ended is closed when the gate has ended.
func (c *Container) Ended() <-chan struct{} { return c.ended }

// ExitStatus is the gate's, or 128+n for a death by signal n. Valid once Ended
// is closed.
func (c *Container) ExitStatus() int { return c.status }

// Log is what the gate (and its command) wrote to stderr so far, Output what
// the command wrote to stdout.
func (c *Container) Log() string { return read(c.file("stderr")) }

// Output is what the command has written to stdout so far.
func (c *Container) Output() string { return read(c.file("stdout")) }

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Line is the first line of the log that has all the words; empty: there is
// none.
func (c *Container) Line(words ...string) string {
next:
	for line := range strings.Lines(c.Log()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		return line
	}
	return ""
}

// Get asks the status server. Without an answer the code is 0 and the body says
// why.
func (c *Container) Get(path string) (code int, body string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Status+path, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	dial := new(net.Dialer).DialContext
	if n := c.Pod.Network; n != nil {
		dial = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			n.Do(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
			return conn, err
		}
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// kill ends the gate and, as it is process 1, all that it has started.
func (c *Container) kill() error {
	c.Signal(syscall.SIGKILL)
	select {
	case <-c.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s does not end", c.Pod.Name)
	}
}
