package app

import (
	"io"
	"log/slog"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
)

const (
	// logRoom is how many lines may wait for a reader of stderr that is slow.
	logRoom = 1024
	// flushTimeout bounds the wait for it at the end; well within the part of
	// the kill margin that is left when the gate gives up.
	flushTimeout = 100 * time.Millisecond
)

// logWriter writes lines in the background, so that nobody who reads our stderr
// too slowly can delay a deadline. Lines that find no room are dropped.
type logWriter struct {
	lines   chan []byte
	written chan struct{}
}

func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{lines: make(chan []byte, logRoom), written: make(chan struct{})}
	go func() {
		defer close(w.written)
		for line := range w.lines {
			if line == nil {
				return
			}
			_, _ = to.Write(line) // where a log cannot be written nothing can be told
		}
	}()
	return w
}

// Write never waits and never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), line...):
	default:
	}
	return len(line), nil
}

// flush waits, for a moment, until what was written has arrived. Later lines
// are lost.
func (w *logWriter) flush() {
	select {
	case w.lines <- nil:
	default:
	}
	select {
	case <-w.written:
	case <-time.After(flushTimeout):
	}
}

func newLogger(to io.Writer, level slog.Level, format config.LogFormat) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == config.JSON {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}
