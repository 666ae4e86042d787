package app

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestLogWriter_NeverWaitsForAReader(t *testing.T) {
	t.Parallel()
	read, stuck := io.Pipe() // each write waits for a read
	w := newLogWriter(stuck)
	for i := range 3 * logRoom {
		if n, err := fmt.Fprintf(w, "line %d\n", i); n == 0 || err != nil {
			t.Fatalf("line %d: %d, %v", i, n, err)
		}
	}
	w.flush() // it waits no longer than for a moment
	_ = read.Close()
}

func TestLogWriter_HasWrittenEverythingOnceItIsFlushed(t *testing.T) {
	t.Parallel()
	var to strings.Builder
	w := newLogWriter(&to)
	line := []byte("first\n")
	_, _ = w.Write(line)
	copy(line, "other") // a handler uses its buffer again
	_, _ = w.Write([]byte("last\n"))
	w.flush()
	if got := to.String(); got != "first\nlast\n" {
		t.Errorf("wrote %q", got)
	}
}
