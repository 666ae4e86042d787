// Package app chooses what the program does, wires the rooms together, runs
// them as a group, and turns the cause of the end into an exit status. It
// decides nothing else. cmd/k8s-await-election is its caller, once per process.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/k8s-await-election/k8s-await-election/internal/child"
	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/config"
	"github.com/k8s-await-election/k8s-await-election/internal/gate"
	"github.com/k8s-await-election/k8s-await-election/internal/selfinstall"
	"github.com/k8s-await-election/k8s-await-election/internal/status"
)

// Exit statuses of the program itself; the first two are EX_CONFIG and
// EX_TEMPFAIL of sysexits.h. All others are the command's.
const (
	exitConfig = 78
	exitLost   = 75
	exitOther  = 1
)

// Program is what main knows.
type Program struct {
	// Args are the arguments without the program's name.
	Args    []string
	Environ []string
	Version string
	Stdout  io.Writer
	Stderr  io.Writer
	// Catch registers signals and returns where they arrive. It is called once,
	// and only if there is an election.
	Catch func([]os.Signal) <-chan os.Signal
}

// Main does what the arguments and the environment say and returns the exit
// status. It does not return where the program is replaced by the command.
func Main(p Program) int {
	texts := &parsed{}
	c, err := config.Load(p.Args, texts.parse)
	if err != nil {
		return p.failed(exitConfig, err)
	}
	switch c.Action {
	case config.Help:
		_, err = io.WriteString(p.Stdout, config.Usage())
	case config.Version:
		_, err = fmt.Fprintln(p.Stdout, p.Version)
	case config.Install:
		var path string
		if path, err = selfinstall.Install(c.Target); err == nil {
			_, err = fmt.Fprintln(p.Stdout, "installed", path)
		}
	case config.Check:
		err = status.Check(context.Background(), c.Target, p.Stdout)
	case config.Status:
		err = status.Show(context.Background(), c.StatusEndpoint, p.Stdout)
	case config.Run:
		return p.run(c, texts)
	}
	if err != nil {
		return p.failed(exitOther, err)
	}
	return 0
}

// run runs the command, elected or at once, or a sidecar.
func (p Program) run(c *config.Config, texts *parsed) int {
	writer := newLogWriter(p.Stderr)
	log := newLogger(writer, c.LogLevel, c.LogFormat).With("name", c.Name)
	for _, warning := range c.Warnings {
		log.Warn("configuration", "warning", warning)
	}
	if !c.Enabled && !c.Sidecar {
		writer.flush()
		err := command.Exec(c.Command, p.Environ)
		return p.failed(command.ExitStatus(err), err)
	}
	code, err := elected(p, c, texts, log)
	if err != nil {
		log.Error("ended", "status", code, "err", err)
	}
	writer.flush()
	return code
}

// errConfig marks what is wrong with the configuration and only the room that it
// is for could find out: a file, a directory.
var errConfig = errors.New("bad configuration")

// exitStatus tells the cause of the end by a number.
func exitStatus(status int, err error) int {
	switch {
	case err == nil:
		return status
	case errors.Is(err, gate.ErrLost), errors.Is(err, gate.ErrAlive), errors.Is(err, child.ErrUnguarded):
		return exitLost
	case errors.Is(err, errConfig):
		return exitConfig
	default:
		return command.ExitStatus(err)
	}
}

func (p Program) failed(code int, err error) int {
	// A stderr that cannot be written to leaves the exit status to tell.
	_, _ = fmt.Fprintf(p.Stderr, "k8s-await-election: %v\n", err)
	return code
}
