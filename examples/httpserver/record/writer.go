package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The words that open a line.
const (
	wordStart = "start"
	wordBeat  = "beat"
	wordEnd   = "end"
)

// Writer notes one run. Its methods may be called from any goroutine.
type Writer struct {
	mu   sync.Mutex
	file *os.File // nil after End
	tail string   // what all lines of this run have in common
	line []byte   // reused, so that a beat allocates nothing
}

// Begin appends the start line of the present process to the file at path,
// which is made if it is missing. Name is the replica's, token its fencing
// token; neither may contain a tab or a line break, either may be empty.
func Begin(path, name, token string) (*Writer, error) {
	if strings.ContainsAny(name+token, "\t\n") {
		return nil, errors.New("record a run: name and token must be free of tabs and line breaks")
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("record a run: %w", err)
	}
	now, err := Now()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	w := &Writer{
		file: file,
		tail: fmt.Sprintf("\t%d\t%d\t%s\t%s\n", now, os.Getpid(), name, token),
	}
	if err := w.append(wordStart, now); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return w, nil
}

// Beat appends a sign of life. After End it does nothing.
func (w *Writer) Beat() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.note(wordBeat)
}

// BeatEvery appends a beat at each interval until ctx ends, and returns nil
// then, or why a beat could not be written. The interval must be positive.
func (w *Writer) BeatEvery(ctx context.Context, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := w.Beat(); err != nil {
				return err
			}
		}
	}
}

// End appends the end line and closes the file. Further calls do nothing. The
// caller must do nothing afterwards that another replica may not see happen.
func (w *Writer) End() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.note(wordEnd), w.file.Close())
	w.file = nil
	return err
}

func (w *Writer) note(word string) error {
	if w.file == nil {
		return nil
	}
	now, err := Now()
	if err != nil {
		return err
	}
	return w.append(word, now)
}

func (w *Writer) append(word string, at time.Duration) error {
	w.line = append(w.line[:0], word...)
	w.line = append(w.line, '\t')
	w.line = strconv.AppendInt(w.line, int64(at), 10)
	w.line = append(w.line, w.tail...)
	if _, err := w.file.Write(w.line); err != nil {
		return fmt.Errorf("record a run: %w", err)
	}
	return nil
}
