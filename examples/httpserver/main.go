// Command httpserver is a small web server of which there should be one: it
// stands for your own in the demo and the documents. It answers with its name,
// its process id and the fencing token it was started with, stops gracefully
// on TERM, and knows nothing about elections.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// grace is how long open requests may take after TERM.
const grace = 5 * time.Second

func main() {
	os.Exit(run())
}

func run() int {
	listen := flag.String("listen", ":"+cmp.Or(os.Getenv("PORT"), "8080"), "`address` to serve on; $PORT sets the default's port")
	file := flag.String("record", "", "append to this `file` when the server starts, lives and ends (package record)")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if flag.NArg() > 0 {
		log.Error("unexpected argument; options are listed by -help", "argument", flag.Arg(0))
		return 2
	}
	host, err := os.Hostname()
	if err != nil {
		log.Warn("host name unknown", "error", err)
	}
	self := server{
		name:  cmp.Or(os.Getenv("NAME"), host),
		token: os.Getenv("K8S_AWAIT_ELECTION_FENCING_TOKEN"),
		log:   log,
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := self.serve(ctx, *listen, *file); err != nil {
		log.Error("serve", "error", err)
		return 1
	}
	return 0
}

type server struct {
	name  string
	token string // empty outside an election
	log   *slog.Logger
}

// serve answers requests until ctx ends. The record, if there is one, begins
// before the port is open and ends after the last request.
func (s server) serve(ctx context.Context, address, file string) (err error) {
	if file != "" {
		end, recordErr := s.record(file)
		if recordErr != nil {
			return recordErr
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.log.Info("serving", "name", s.name, "address", listener.Addr().String(), "fencing_token", s.token)
	web := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.log.Info("stopping", "name", s.name)
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return web.Shutdown(patience)
}

// record notes this run in the file, a beat every millisecond, until the
// returned function is called.
func (s server) record(file string) (end func() error, err error) {
	w, err := record.Begin(file, s.name, s.token)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	beaten := make(chan error, 1)
	go func() { beaten <- w.BeatEvery(ctx, time.Millisecond) }()
	return func() error {
		stop()
		return errors.Join(<-beaten, w.End())
	}, nil
}

// ServeHTTP answers who serves.
func (s server) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := fmt.Fprintf(w, "%s, pid %d, fencing token %s\n", s.name, os.Getpid(), cmp.Or(s.token, "none")); err != nil {
		s.log.Debug("client went away", "error", err)
	}
}
