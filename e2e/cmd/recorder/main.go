// Command recorder is the elected command of the benchmark and the end-to-end
// tests: from its first line on it notes that it runs (package record), until
// TERM or INT ends it with exit status 0. It starts fast, so that what is
// measured around it is the election.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "recorder:", err)
		os.Exit(1)
	}
}

func run() error {
	file := flag.String("file", "", "the `file` to append to (required)")
	name := flag.String("name", "", "name of the replica")
	beat := flag.Duration("beat", time.Millisecond, "interval of the signs of life")
	once := flag.Bool("once", false, "end at once")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *file == "":
		return errors.New("-file is missing")
	case *beat <= 0:
		return errors.New("-beat must be positive")
	}

	w, err := record.Begin(*file, *name, os.Getenv("K8S_AWAIT_ELECTION_FENCING_TOKEN"))
	if err != nil {
		return err
	}
	if *once {
		return w.End()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return errors.Join(w.BeatEvery(ctx, *beat), w.End())
}
