package stage

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
)

// Network is a network namespace of its own, as each Pod has one. Nothing but
// its loopback interface is in it. It lasts until the test ends, longer than the
// containers that were started in it by then.
type Network struct{ calls chan func() }

// NewNetwork makes a network namespace. The test must have asked NeedRoot.
func NewNetwork(t *testing.T) *Network {
	t.Helper()
	n := &Network{calls: make(chan func())}
	ready := make(chan error)
	var owner sync.WaitGroup
	owner.Go(func() {
		// Never unlocked: the thread ends with the goroutine, and with it the
		// namespace.
		runtime.LockOSThread()
		err := enterNetwork()
		ready <- err
		if err != nil {
			return
		}
		for call := range n.calls {
			call()
		}
	})
	if err := <-ready; err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	t.Cleanup(func() {
		close(n.calls)
		owner.Wait()
	})
	return n
}

// enterNetwork moves the calling thread into a new namespace.
func enterNetwork() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, loopback)
}

// Do calls f on a thread that is in the namespace; so are the sockets and the
// processes that f makes itself, not those of goroutines that it starts.
func (n *Network) Do(f func()) {
	done := make(chan struct{})
	n.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Proxy starts a proxy that listens in the namespace and connects outside of
// it. It is closed when the test ends.
func (n *Network) Proxy(ctx context.Context, target string) (p *faultproxy.Proxy, err error) {
	n.Do(func() { p, err = faultproxy.Listen(ctx, target) })
	if err != nil {
		return nil, fmt.Errorf("in a network namespace: %w", err)
	}
	return p, nil
}
