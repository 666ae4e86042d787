package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Endpoint is the variable that sets the server's address, for those who ask it.
const Endpoint = "K8S_AWAIT_ELECTION_STATUS_ENDPOINT"

const (
	// readTimeout is for a whole request, which has no body. It also ends a
	// connection on which nothing comes.
	readTimeout = 5 * time.Second
	// writeTimeout is for one answer, counted from when it is made. Its making
	// has no limit here: it is bounded by the probe's timeout.
	writeTimeout = 5 * time.Second
	// closeTimeout is how long the end of the process waits for answers.
	closeTimeout = 250 * time.Millisecond
)

// Options are what a Server answers from. All but Probes and Sidecar are
// required.
type Options struct {
	Source Source
	// Probes answers for the command. Nil: there is no command, or no probes.
	Probes  Probes
	Metrics *Metrics
	// Identity is this candidate's name in the election.
	Identity string
	// Sidecar: `/` answers 200 in any state, because the process beside it is
	// not to be killed for the election's sake, and /healthz says «ok».
	Sidecar bool
	Logger  *slog.Logger
}

// Server is the HTTP server. Make it with New, then Listen, for each address,
// then Run, once.
type Server struct {
	options   Options
	listeners []net.Listener
	changes   broadcast
	crowd     *crowd
}

// New makes a Server. It does not listen yet.
func New(o Options) *Server {
	return &Server{options: o, crowd: newCrowd(maxConnections, maxStreams)}
}

// Listen opens a port. It is apart from Run so that a port that is taken is
// found at the start of the program and not when it already leads. Connections
// wait in the kernel until Run. The error does not say which setting gave the
// address.
func (s *Server) Listen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%w; %s", err, remedy(err))
	}
	s.listeners = append(s.listeners, listener)
	return nil
}

// Changed says that the Source may tell something else now: whoever reads
// events is told. It never waits.
func (s *Server) Changed() { s.changes.send() }

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process of the Pod has this port: choose another, for example :9998"
	case errors.Is(err, syscall.EACCES):
		return "this user may not open a port below 1024: choose another, for example :9999"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "the Pod does not have this address: leave it out, for example :9999"
	}
	return "it must be an address and a port, or a port alone, for example :9999"
}

// Addr is where the server listened first, nil before Listen.
func (s *Server) Addr() net.Addr {
	if len(s.listeners) == 0 {
		return nil
	}
	return s.listeners[0].Addr()
}

// Run serves until ctx ends, then closes within a quarter of a second and
// returns nil. Another end is an error.
func (s *Server) Run(ctx context.Context) error {
	if len(s.listeners) == 0 {
		return errors.New("serve status: not listening")
	}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
		// A request that waits for a probe gives up with the server.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, len(s.listeners))
	for _, listener := range s.listeners {
		go func() {
			if err := server.Serve(s.crowd.admit(listener)); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve status on %s: %w", listener.Addr(), err)
				return
			}
			failed <- nil
		}()
	}
	select {
	case err := <-failed:
		_ = server.Close() // the other ports: half a server would go unnoticed
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if server.Shutdown(closing) != nil {
		_ = server.Close() // whoever is still connected had its time
	}
	var errs []error
	for range s.listeners {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}
