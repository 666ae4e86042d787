// Command actor is the elected command of the black-box tests. From its first
// line on it notes in a file that it runs (package record), says on stdout which
// signals reach it, and does on each what the test has told it:
//
//	actor -file FILE -name NAME [-beat 2ms] [-on SIGNAL=ACTION]… [-bear]
//
// The actions: a number ends it with that exit status, `say` does nothing more,
// and `die` kills it as the kernel would. TERM and INT are 0 where nothing else
// is said, QUIT, USR1, USR2 and HUP are `say`. With -bear it first starts a
// descendant in a session of its own, which no signal but KILL ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

var signals = map[string]os.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "HUP": syscall.SIGHUP,
}

func main() {
	status, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "actor:", err)
		status = 99
	}
	os.Exit(status)
}

func run() (status int, err error) {
	file := flag.String("file", "", "the `file` to append to (required)")
	name := flag.String("name", "", "name of the replica")
	// Several actors share few cores.
	beat := flag.Duration("beat", 2*time.Millisecond, "interval of the signs of life")
	bear := flag.Bool("bear", false, "start a descendant that outlives this process")
	actions := script{"TERM": "0", "INT": "0"}
	flag.Var(actions, "on", "`SIGNAL=ACTION`")
	flag.Parse()

	caught := make(chan os.Signal, 16)
	for _, s := range signals {
		signal.Notify(caught, s)
	}
	w, err := record.Begin(*file, *name, os.Getenv("K8S_AWAIT_ELECTION_FENCING_TOKEN"))
	if err != nil {
		return 0, err
	}
	if *bear {
		if err := startDescendant(*file, *name, *beat); err != nil {
			return 0, err
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	beaten := make(chan error, 1)
	go func() { beaten <- w.BeatEvery(ctx, *beat) }()
	fmt.Printf("%s: started\n", *name)
	for s := range caught {
		fmt.Printf("%s: got %v\n", *name, s)
		switch action := actions.of(s); action {
		case "", "say":
		case "die":
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return 0, err
			}
		default:
			if status, err = strconv.Atoi(action); err != nil {
				return 0, err
			}
			stop()
			return status, errors.Join(<-beaten, w.End())
		}
	}
	return 0, nil // the channel is never closed
}

// startDescendant starts this program again, out of reach of whatever is sent to
// the group or the session of this process.
func startDescendant(file, name string, beat time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, "-file", file, "-name", name+"'s descendant", "-beat", beat.String(), "-on", "TERM=say", "-on", "INT=say")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return child.Start()
}

// script is what to do on which signal. It implements flag.Value.
type script map[string]string

func (s script) String() string { return "" }

// Set takes SIGNAL=ACTION.
func (s script) Set(text string) error {
	name, action, found := strings.Cut(text, "=")
	if _, known := signals[name]; !found || !known {
		return errors.New("want SIGNAL=ACTION")
	}
	s[name] = action
	return nil
}

func (s script) of(sig os.Signal) string {
	for name, known := range signals {
		if known == sig {
			return s[name]
		}
	}
	return ""
}
