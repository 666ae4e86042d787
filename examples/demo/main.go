// Command demo shows an election on one machine: three replicas of a web
// server, each behind the gate, of which one runs at a time. It ends the leader
// by TERM, kills another, starts both again, and prints how long the passage
// took, measured from what the servers themselves wrote down (package record).
//
// It needs no root and no cluster: by default the replicas share a file lock.
// With -lock lease they share a Lease on the API server that KUBECONFIG names.
// It exits with 1 if two servers ever ran at once, and leaves no process and no
// file behind, also when it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	// The replicas are told to stop when the thread that started them ends
	// (PR_SET_PDEATHSIG): it has to be one that lives as long as the demo.
	runtime.LockOSThread()
	os.Exit(run())
}

// errInterrupted is the cause of the context's end after a signal.
var errInterrupted = errors.New("interrupted")

type options struct {
	gate, server string // binaries; empty: built
	lock         string
	name         string
	namespace    string
	port         int
	pause        time.Duration
}

func run() int {
	var o options
	flag.StringVar(&o.gate, "gate", "", "the gate's `binary`; built if not given")
	flag.StringVar(&o.server, "server", "", "the example server's `binary`; built if not given")
	flag.StringVar(&o.lock, "lock", "file", "what the replicas share: file, or lease (needs KUBECONFIG)")
	flag.StringVar(&o.name, "name", "demo-"+strconv.Itoa(os.Getpid()), "name of the lock")
	flag.StringVar(&o.namespace, "namespace", "default", "namespace of the Lease")
	flag.IntVar(&o.port, "port", 0, "port of the server; 0 picks a free one")
	flag.DurationVar(&o.pause, "pause", 3*time.Second, "time to look at each state")
	flag.Parse()
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 2
	}

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errInterrupted)
	}()

	err := demonstrate(ctx, o)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "demo: interrupted; everything is stopped and removed")
		return 130
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
}

func (o options) check() error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; options are listed by -help", flag.Arg(0))
	case o.lock != "file" && o.lock != "lease":
		return fmt.Errorf("-lock %s: must be file or lease", o.lock)
	case o.lock == "lease" && os.Getenv("KUBECONFIG") == "":
		return errors.New("-lock lease: set KUBECONFIG to the API server to use")
	}
	return nil
}

// demonstrate runs the story in a temporary folder and cleans up after it.
func demonstrate(ctx context.Context, o options) (err error) {
	folder, err := os.MkdirTemp("", "k8s-await-election-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()

	screen := newScreen(os.Stdout)
	if o.gate, err = binary(ctx, screen, o.gate, folder, "k8s-await-election", "cmd/k8s-await-election"); err != nil {
		return err
	}
	if o.server, err = binary(ctx, screen, o.server, folder, "httpserver", "examples/httpserver"); err != nil {
		return err
	}
	if o.port == 0 {
		if o.port, err = freePort(); err != nil {
			return err
		}
	}

	d := newDemo(o, folder, screen)
	defer func() {
		err = errors.Join(err, d.stop())
		if err != nil && !errors.Is(err, errInterrupted) {
			d.printLogs(os.Stderr)
		}
	}()
	return d.tell(ctx)
}

// freePort asks the kernel for a port that nobody uses.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.Join(fmt.Errorf("find a free port: unexpected address %v", listener.Addr()), listener.Close())
	}
	return address.Port, listener.Close()
}

// absolute is the path as the replicas, and /proc, name it.
func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}
