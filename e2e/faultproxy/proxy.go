// Package faultproxy puts a wire between a client and a server that a test or
// the benchmark can cut, and a second one that answers chosen requests itself.
//
// Proxy works on bytes: it knows nothing of TLS or HTTP, so that what passes
// through is exactly what client and server say. Answers is a reverse proxy for
// answers that a healthy server gives only by chance, such as 429 and 500.
//
// Both serve from Listen to Close and may be told from any goroutine.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy forwards TCP connections to one address.
type Proxy struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	target   string
	passing  chan struct{} // closed while bytes pass
	answers  chan struct{} // closed while those of the server pass
	refusing bool
	delay    time.Duration
	pairs    map[*pair]struct{}
	accepted int
	passed   int64
	holding  int
	closed   bool
}

// pair is one connection of a client and the one made for it to the server.
type pair struct {
	client, server net.Conn
	// passing, where it is not nil, holds this pair alone back.
	passing chan struct{}
}

// Listen starts a proxy on a free port of 127.0.0.1 in front of the TCP address
// target.
func Listen(ctx context.Context, target string) (*Proxy, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy to %s: %w", target, err)
	}
	passing := make(chan struct{})
	close(passing)
	p := &Proxy{target: target, listener: listener, passing: passing, answers: passing, pairs: map[*pair]struct{}{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// BlackHole stops forwarding in both directions. Connections stay open, new ones
// are taken, and nothing arrives anywhere, until Pass.
func (p *Proxy) BlackHole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.passing) {
		p.passing = make(chan struct{})
	}
}

// BlackHoleOpen is BlackHole for the connections that are open now; later ones
// are forwarded. It returns how many it holds back.
func (p *Proxy) BlackHoleOpen() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		if c.passing == nil || isClosed(c.passing) {
			c.passing = make(chan struct{})
		}
	}
	return len(p.pairs)
}

// HoldAnswers lets pass what clients send and holds back what the server says,
// until Pass: writes are done, and nobody learns of it. Reset before Pass loses
// what was held back.
func (p *Proxy) HoldAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.answers) {
		p.answers = make(chan struct{})
	}
}

// Redirect forwards the connections that clients make from now on to another
// TCP address.
func (p *Proxy) Redirect(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Refuse resets every new connection; open ones are not touched.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = true
}

// Reset ends all open connections with a TCP reset, on both sides.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.reset()
	}
}

// Delay holds back every chunk of bytes, in each direction, for d. Zero: not at
// all.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Pass undoes BlackHole, BlackHoleOpen, HoldAnswers, Refuse and Delay. Bytes that were held
// back are delivered.
func (p *Proxy) Pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass()
}

func (p *Proxy) pass() {
	p.refusing, p.delay = false, 0
	for _, held := range []chan struct{}{p.passing, p.answers} {
		if !isClosed(held) {
			close(held)
		}
	}
	for c := range p.pairs {
		if c.passing != nil && !isClosed(c.passing) {
			close(c.passing)
		}
	}
}

// Accepted is how many connections clients have made so far, refused ones
// included.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Passed is how many bytes were forwarded so far, in both directions together.
func (p *Proxy) Passed() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed
}

// Open is how many connections are open now. That a side has closed one is
// noticed only while bytes pass.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

// Holding is how many chunks of bytes are being held back now.
func (p *Proxy) Holding() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holding
}

// Close ends everything and waits until all is gone. It may be called again.
func (p *Proxy) Close() error {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.pass()
	for c := range p.pairs {
		c.reset()
	}
	p.mu.Unlock()
	if closed {
		return nil
	}
	err := p.listener.Close()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.mu.Lock()
		p.accepted++
		refusing := p.refusing
		p.mu.Unlock()
		if refusing {
			reset(client)
			continue
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	c := &pair{client: client}
	// A black hole begins at the client's first byte: the connection itself is
	// taken, as a firewall that drops packets of known connections does.
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
	if err != nil {
		reset(client)
		return
	}
	c.server = server
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		c.reset()
		return
	}
	p.pairs[c] = struct{}{}
	p.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { p.forward(c, server, client) })
	both.Go(func() { p.forward(c, client, server) })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
	_ = client.Close()
	_ = server.Close()
}

func (p *Proxy) forward(c *pair, to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.hold(c, from == c.server)
		if n > 0 {
			p.mu.Lock()
			p.passed += int64(n)
			p.mu.Unlock()
			if _, werr := to.Write(buffer[:n]); werr != nil {
				c.reset()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			return
		}
		if err != nil {
			c.reset()
			return
		}
	}
}

// hold waits until bytes of this connection may pass.
func (p *Proxy) hold(c *pair, answer bool) {
	p.mu.Lock()
	all, one, delay := p.passing, c.passing, p.delay
	if answer && isClosed(all) {
		all = p.answers
	}
	p.holding++
	p.mu.Unlock()
	<-all
	if one != nil {
		<-one
	}
	time.Sleep(delay)
	p.mu.Lock()
	p.holding--
	p.mu.Unlock()
}

func (c *pair) reset() {
	reset(c.client)
	reset(c.server)
}

func reset(conn net.Conn) {
	if conn == nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
