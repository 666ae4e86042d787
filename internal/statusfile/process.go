package statusfile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

// failed is the status of a claim that could not be made.
const failed = 1

// unable is the error of a claim that cannot be made here now. One that came too
// late is the end of its term, of which gate knows.
func unable(err error) error {
	if errors.Is(err, errLate) {
		return err
	}
	return fmt.Errorf("%w: %w", gate.ErrUnable, err)
}

// errSilent: neither a success nor an error has come back.
var errSilent = errors.New("the file system does not answer")

// process is one claim, in the words of a command: it runs until a signal ends
// it, and what is left of it then is the leader file. It implements gate.Process.
type process struct {
	ends  func(syscall.Signal) bool
	token string
	may   func() bool

	// raised delivers how making the claim has ended; an error once the leader file
	// has been seen to be gone.
	raised chan error
	once   sync.Once
	exited chan struct{}
	status int
	err    error
	// gone is closed when the leader file has been seen to be gone; problem is
	// why it was not, last time.
	gone    chan struct{}
	problem atomic.Pointer[error]
}

func newProcess(ends func(syscall.Signal) bool, token string, may func() bool) *process {
	return &process{
		ends: ends, token: token, may: may,
		raised: make(chan error, 1), exited: make(chan struct{}), gone: make(chan struct{}),
	}
}

// PID implements gate.Process. There is no process but this one.
func (p *process) PID() int { return 0 }

// Exited implements gate.Process.
func (p *process) Exited() <-chan struct{} { return p.exited }

// Status implements gate.Process. A claim that was asked to end has succeeded.
func (p *process) Status() int { return p.status }

// Err implements gate.Process.
func (p *process) Err() error { return p.err }

// Signal implements gate.Process: a signal does what it would do to a process
// that ends well on TERM and INT and does nothing about any other.
func (p *process) Signal(sig syscall.Signal) error {
	switch {
	case sig == syscall.SIGTERM || sig == syscall.SIGINT:
		p.end(0, nil)
	case p.ends(sig):
		p.end(128+int(sig), nil)
	}
	return nil
}

// Sweep implements gate.Process: it ends the claim and returns nil when the
// leader file has been seen to be gone.
func (p *process) Sweep(ctx context.Context) error {
	p.end(128+int(syscall.SIGKILL), nil)
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-p.gone: // both at once
		return nil
	default:
	}
	problem := errSilent
	if last := p.problem.Load(); last != nil {
		problem = *last
	}
	return fmt.Errorf("%w (%w)", problem, context.Cause(ctx))
}

func (p *process) end(status int, err error) {
	p.once.Do(func() {
		p.status, p.err = status, err
		close(p.exited)
	})
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}
