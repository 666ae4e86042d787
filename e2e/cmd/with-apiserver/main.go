// Command with-apiserver runs a command beside a real API server that is there
// for it alone:
//
//	with-apiserver COMMAND ARG…
//
// KUBECONFIG names an administrator's access; the namespace `default` exists.
// Signals are passed on, the server is stopped and its files are removed when
// the command has ended, and its exit status is the command's (128+n after a
// death by signal n, 1 where the server failed).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(command []string) int {
	if len(command) == 0 {
		fmt.Fprintln(os.Stderr, "usage: with-apiserver COMMAND ARG…")
		return 2
	}
	// Before anything is started, so that nothing is left behind. Ctrl-C on a
	// terminal reaches the command by itself as well; hearing it twice asks for
	// nothing else than hearing it once.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)

	status, err := serve(command, signals)
	if err != nil {
		fmt.Fprintln(os.Stderr, "with-apiserver:", err)
		if status == 0 {
			return 1
		}
	}
	return status
}

func serve(command []string, signals <-chan os.Signal) (status int, err error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	started := make(chan struct{})
	watched := make(chan os.Signal, 1)
	go func() { // a signal while the server starts ends the start
		defer close(watched)
		select {
		case s := <-signals:
			watched <- s
			cancel(fmt.Errorf("interrupted by %s", s))
		case <-started:
		}
	}()
	server, err := apiserver.Start(ctx, apiserver.Options{})
	close(started)
	if s, interrupted := <-watched; interrupted {
		status = 128 + number(s)
	}
	if err != nil {
		return status, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if status != 0 {
		return status, context.Cause(ctx)
	}

	folder, err := os.MkdirTemp("", "k8s-await-election-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := apiserver.WriteKubeconfig(kubeconfig, server.Config()); err != nil {
		return 1, err
	}
	return execute(command, kubeconfig, signals)
}

// execute runs the command to its end and returns its exit status.
func execute(command []string, kubeconfig string, signals <-chan os.Signal) (int, error) {
	child := exec.Command(command[0], command[1:]...)
	child.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		return 127, err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = child.Process.Signal(s) // it may have ended meanwhile
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				if state, ok := exit.Sys().(syscall.WaitStatus); ok && state.Signaled() {
					return 128 + int(state.Signal()), nil
				}
				return exit.ExitCode(), nil
			}
			if err != nil {
				return 1, err
			}
			return 0, nil
		}
	}
}

func number(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return int(n)
	}
	return 1
}
