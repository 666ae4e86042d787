package status

import (
	"net"
	"runtime"
	"sync"
)

const (
	// maxConnections is for all ports together. Further ones wait in the kernel.
	maxConnections = 1000
	// maxStreams is how many of those may be streams of events, which last.
	maxStreams = 200
)

// crowd keeps clients, however many there are and whatever they send, from taking
// the process away from the election and from who takes a claim back.
type crowd struct {
	places  chan struct{} // has an element for each connection
	streams chan struct{} // has an element for each stream of events
	turn    chan struct{} // has an element while a request is about to be answered
}

func newCrowd(connections, streams int) *crowd {
	return &crowd{make(chan struct{}, connections), make(chan struct{}, streams), make(chan struct{}, 1)}
}

// queue lets everybody else go first. Without it a connection whose client does not
// wait for answers is served until the scheduler takes the processor away from it,
// after 10 ms, and so is each other one before the election has its turn. Requests
// wait for one another here, and only the first for the processor: what the election
// waits for is a request or two, and not one of each connection.
func (c *crowd) queue() {
	c.turn <- struct{}{}
	runtime.Gosched()
	<-c.turn
}

// isDense tells that connections are to end with their answer, so that nobody keeps
// a place that others wait for.
func (c *crowd) isDense() bool { return len(c.places) > cap(c.places)/2 }

// join takes a place for a stream of events; false: there is none.
func (c *crowd) join() bool {
	select {
	case c.streams <- struct{}{}:
		return true
	default:
		return false
	}
}

func (c *crowd) leave() { <-c.streams }

// admit bounds the connections that a listener accepts.
func (c *crowd) admit(l net.Listener) net.Listener {
	return &door{Listener: l, places: c.places, closed: make(chan struct{})}
}

type door struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	select {
	case d.places <- struct{}{}:
	case <-d.closed:
		return nil, net.ErrClosed
	}
	conn, err := d.Listener.Accept()
	if err != nil {
		<-d.places
		return nil, err
	}
	return &visitor{Conn: conn, leave: sync.OnceFunc(func() { <-d.places })}, nil
}

// Close implements net.Listener.
func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

type visitor struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	defer v.leave()
	return v.Conn.Close()
}
