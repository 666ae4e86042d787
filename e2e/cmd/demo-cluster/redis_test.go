package main

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// pipe is a connection whose other end has said all that it will.
type pipe struct {
	io.Reader
	sent bytes.Buffer
}

func (p *pipe) Write(text []byte) (int, error) { return p.sent.Write(text) }

func TestConverse_SendsAListOfTexts(t *testing.T) {
	t.Parallel()
	p := &pipe{Reader: strings.NewReader("+OK\r\n")}
	if _, err := converse(p, []string{"SET", "a key", "ä\r\n"}); err != nil {
		t.Fatal(err)
	}
	if got, want := p.sent.String(), "*3\r\n$3\r\nSET\r\n$5\r\na key\r\n$4\r\nä\r\n\r\n"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestConverse_UnderstandsTheAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said string
		want []string
	}{
		"a word":                  {"+OK\r\n", []string{"OK"}},
		"a number":                {":100\r\n", []string{"100"}},
		"a text of two lines":     {"$4\r\na\r\nb\r\n", []string{"a\r\nb"}},
		"an empty text":           {"$0\r\n\r\n", []string{""}},
		"no value":                {"$-1\r\n", []string{""}},
		"a list, without one":     {"*3\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n", []string{"a", "", "c"}},
		"one that is not read on": {"+OK\r\n+MORE\r\n", []string{"OK"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := converse(&pipe{Reader: strings.NewReader(c.said)}, []string{"X"})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestConverse_IsAnErrorWithoutAWholeAnswer(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]string{
		"refused":            "-LOADING Redis is loading the dataset in memory\r\n",
		"nothing":            "",
		"an empty line":      "\r\n",
		"half a text":        "$4\r\nab",
		"half a list":        "*2\r\n$1\r\na\r\n",
		"not a number":       "$x\r\n",
		"another protocol's": "HTTP/1.1 400 Bad Request\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := converse(&pipe{Reader: strings.NewReader(said)}, []string{"X"}); err == nil {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestOverTCP_GivesUpOnAServerThatTakesTheConnectionAndSaysNothing(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := contextWithTimeout(t, 10*time.Millisecond)
	defer cancel()
	if got, err := overTCP(listener.Addr().String())(ctx, "PING"); err == nil {
		t.Errorf("got %q", got)
	}
}
