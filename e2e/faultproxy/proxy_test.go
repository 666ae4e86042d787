package faultproxy

import (
	"io"
	"net"
	"testing"
	"time"
)

// echo answers with its own name and what it is told, and tells what that was.
func echo(t *testing.T, name string) (address string, told <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	all := make(chan string, 16)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				buffer := make([]byte, 64)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					all <- string(buffer[:n])
					_, _ = conn.Write([]byte(name + string(buffer[:n])))
				}
			}()
		}
	}()
	return listener.Addr().String(), all
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	answer := make([]byte, len(want))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != want {
		t.Fatalf("heard %q, %v; want %q", answer, err, want)
	}
}

func TestProxy_CountsWhatPassesInBothDirections(t *testing.T) {
	t.Parallel()
	target, _ := echo(t, "a")
	p, err := Listen(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	conn := dial(t, p)
	say(t, conn, "hello")
	hear(t, conn, "ahello")
	if got := p.Passed(); got != 11 {
		t.Errorf("%d bytes, want 5 and 6", got)
	}
}

func TestProxy_HoldsAnswersBackAndLetsQuestionsPass(t *testing.T) {
	t.Parallel()
	target, told := echo(t, "a:")
	p, err := Listen(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	conn := dial(t, p)
	say(t, conn, "one")
	hear(t, conn, "a:one")
	<-told

	p.HoldAnswers()
	say(t, conn, "two")
	if got := <-told; got != "two" {
		t.Errorf("the server was told %q", got)
	}
	for p.Holding() == 0 { // the answer has come as far as it may
		time.Sleep(time.Millisecond)
	}
	p.Pass()
	hear(t, conn, "a:two")
}

func TestProxy_RedirectsNewConnectionsAlone(t *testing.T) {
	t.Parallel()
	first, _ := echo(t, "a:")
	second, _ := echo(t, "b:")
	p, err := Listen(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	before := dial(t, p)
	say(t, before, "one")
	hear(t, before, "a:one")

	p.Redirect(second)
	say(t, before, "two")
	hear(t, before, "a:two")
	after := dial(t, p)
	say(t, after, "one")
	hear(t, after, "b:one")
}
