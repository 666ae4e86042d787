// Command recorder is the elected command of the end-to-end tests: from its first
// line on it notes that it runs (package record), until TERM or INT ends it with
// exit status 0. It knows nothing about elections but its fencing token.
//
//	recorder -file FILE | -dir DIRECTORY [-name NAME] [-beat 1ms] [-once]
//	         [-listen ADDRESS [-ready-after 0s]] [-fail-after 0s] [-linger 0s]
//	recorder -print -dir DIRECTORY
//	recorder -check FILE…
//	recorder -wait [-dir DIRECTORY] [-listen ADDRESS]
//
// With -dir the file is DIRECTORY/BOOT-ID/NAME.runs: one for each Pod, so that
// Pods of any user may share a directory of their node, and none from before
// the machine was started, because the times count from there. -print writes
// what all Pods of this node have noted since then to stdout. -check lists the
// runs in such output, and fails where two were alive at once. -wait notes
// nothing: it makes the directory writable for everybody, waits to be ended, and
// with -listen serves the records meanwhile (see reader.go).
//
// With -listen it serves who it is, and takes orders by HTTP (see orders.go). With
// -linger it goes on for a while after TERM or INT, as a server does that ends
// what it is about.
package main

import (
	"cmp"
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

// options are the flags.
type options struct {
	file, dir, name, listen  string
	beat, readyAfter         time.Duration
	failAfter, linger        time.Duration
	once, print, check, wait bool
}

func main() {
	status, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "recorder:", err)
		status = 1
	}
	os.Exit(status)
}

func run() (status int, err error) {
	o, err := parse()
	if err != nil {
		return 1, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch {
	case o.check:
		return 0, check(os.Stdout, flag.Args()...)
	case o.wait:
		return 0, wait(ctx, o)
	case o.print:
		return 0, printAll(os.Stdout, o.dir)
	}
	file, err := o.path()
	if err != nil {
		return 1, err
	}
	token := os.Getenv("K8S_AWAIT_ELECTION_FENCING_TOKEN")
	w, err := record.Begin(file, o.name, token)
	if err != nil {
		return 1, err
	}
	if o.once {
		return 0, w.End()
	}
	fmt.Printf("%s: started, fencing token %s\n", o.name, cmp.Or(token, "none"))
	status, err = work(ctx, o, w, token)
	fmt.Printf("%s: ends with status %d\n", o.name, status)
	return status, errors.Join(err, w.End()) // the last act
}

// work beats until the linger after ctx's end, an order to end comes, or it is
// time to fail.
func work(asked context.Context, o options, w *record.Writer, token string) (status int, err error) {
	var failed <-chan time.Time
	if o.failAfter > 0 {
		failed = time.After(o.failAfter)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(asked))
	defer cancel()
	defer context.AfterFunc(asked, func() { time.AfterFunc(o.linger, cancel) })()
	ended := make(chan int, 1)
	if o.listen != "" {
		stop, err := serve(o, token, ended)
		if err != nil {
			return 1, err
		}
		defer stop()
	}
	beaten := make(chan error, 1)
	go func() { beaten <- w.BeatEvery(ctx, o.beat) }()
	select {
	case err := <-beaten: // it has been long enough, or the record cannot be written
		return 0, err
	case status = <-ended:
	case <-failed:
		status = 1
	}
	cancel()
	return status, <-beaten
}

func parse() (options, error) {
	var o options
	host, _ := os.Hostname() // without one, -name is asked for below
	flag.StringVar(&o.file, "file", "", "the `file` to append to")
	flag.StringVar(&o.dir, "dir", "", "the `directory` in which to make one for this boot and name")
	flag.StringVar(&o.name, "name", "", "name of the replica (with -dir the host name, which is the Pod's)")
	flag.DurationVar(&o.beat, "beat", time.Millisecond, "interval of the signs of life")
	flag.BoolVar(&o.once, "once", false, "end at once")
	flag.StringVar(&o.listen, "listen", "", "serve HTTP on this `address`")
	flag.DurationVar(&o.readyAfter, "ready-after", 0, "time from the start to the first 200 from /ready")
	flag.DurationVar(&o.failAfter, "fail-after", 0, "end with status 1 after this time; 0: never")
	flag.DurationVar(&o.linger, "linger", 0, "go on for this time after TERM or INT")
	flag.BoolVar(&o.print, "print", false, "print what the node's recorders have noted")
	flag.BoolVar(&o.check, "check", false, "check that no two runs in the files overlap")
	flag.BoolVar(&o.wait, "wait", false, "note nothing, make the directory writable, and wait for TERM or INT")
	flag.Parse()
	if o.dir != "" {
		o.name = cmp.Or(o.name, host)
	}
	switch {
	case o.check && flag.NArg() == 0:
		return o, errors.New("-check needs files")
	case o.check:
		return o, nil
	case flag.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case o.wait:
		return o, nil
	case (o.file == "") == (o.dir == ""):
		return o, errors.New("give either -file or -dir")
	case o.print && o.dir == "":
		return o, errors.New("-print needs -dir")
	case o.beat <= 0:
		return o, errors.New("-beat must be positive")
	}
	return o, nil
}
