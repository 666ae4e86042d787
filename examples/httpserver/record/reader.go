package record

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run is what one process wrote about itself. Times are CLOCK_BOOTTIME.
type Run struct {
	Name  string // the replica
	PID   int    // in the process's own PID namespace
	Token string // fencing token, empty if it had none

	Started time.Duration
	Last    time.Duration // last line of any kind
	Ended   bool          // the last line is `end`: it was not killed
	Silence time.Duration // longest pause between two lines
	Silent  time.Duration // when that pause began; Started where there was none
}

// String names the run for reports.
func (r Run) String() string {
	return fmt.Sprintf("%s (pid %d, fencing token %q, started at %s)", r.Name, r.PID, r.Token, r.Started)
}

// run identifies a process across files: a PID alone is used again, and is
// small in every PID namespace.
type run struct {
	name    string
	pid     int
	started time.Duration
	token   string
}

// Read returns the runs in the files at paths, the earliest start first. A
// missing file counts as empty: nothing has run yet. A last line without its
// line break is being written and is left out.
func Read(paths ...string) ([]Run, error) {
	var all []Run
	for _, path := range paths {
		runs, err := NewReader(path).Runs()
		if err != nil {
			return nil, err
		}
		all = append(all, runs...)
	}
	sortByStart(all)
	return all, nil
}

// Reader follows one file that grows. It is for one goroutine.
type Reader struct {
	path   string
	offset int64 // of what has not been read yet
	lines  int
	runs   map[run]*Run
}

// NewReader follows the file at path, which need not exist yet.
func NewReader(path string) *Reader {
	return &Reader{path: path, runs: make(map[run]*Run)}
}

// Runs returns all runs in the file so far, as Read does, and reads for it only
// what has been added since the last call.
func (r *Reader) Runs() ([]Run, error) {
	text, err := r.news()
	if err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	for {
		line, rest, complete := bytes.Cut(text, []byte("\n"))
		if !complete {
			break
		}
		r.lines++
		if err := add(r.runs, string(line)); err != nil {
			return nil, fmt.Errorf("read the record: %s:%d: %w", r.path, r.lines, err)
		}
		r.offset += int64(len(line)) + 1
		text = rest
	}
	list := make([]Run, 0, len(r.runs))
	for _, one := range r.runs {
		list = append(list, *one)
	}
	sortByStart(list)
	return list, nil
}

// news is what the file has gained.
func (r *Reader) news() ([]byte, error) {
	file, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(r.offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}

func sortByStart(runs []Run) {
	slices.SortFunc(runs, func(a, b Run) int {
		return cmp.Or(cmp.Compare(a.Started, b.Started), strings.Compare(a.Name, b.Name), cmp.Compare(a.PID, b.PID))
	})
}

func add(runs map[run]*Run, line string) error {
	field := strings.Split(line, "\t")
	if len(field) != 6 {
		return fmt.Errorf("%d fields, want 6", len(field))
	}
	at, err := strconv.ParseInt(field[1], 10, 64)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	started, err := strconv.ParseInt(field[2], 10, 64)
	if err != nil {
		return fmt.Errorf("start time: %w", err)
	}
	pid, err := strconv.Atoi(field[3])
	if err != nil {
		return fmt.Errorf("pid: %w", err)
	}
	id := run{name: field[4], pid: pid, started: time.Duration(started), token: field[5]}
	now, r := time.Duration(at), runs[id]
	switch word := field[0]; {
	case word != wordStart && word != wordBeat && word != wordEnd:
		return errors.New("unknown kind of line")
	case word == wordStart && r == nil:
		runs[id] = &Run{Name: id.name, PID: pid, Token: id.token, Started: id.started, Last: now, Silent: now}
		return nil
	case word == wordStart:
		return errors.New("a second start of one run")
	case r == nil:
		return errors.New("a run without its start")
	case r.Ended:
		return errors.New("a line after the end of its run")
	case now < r.Last:
		return errors.New("a line older than the one before it")
	default:
		if pause := now - r.Last; pause > r.Silence {
			r.Silence, r.Silent = pause, r.Last
		}
		r.Last, r.Ended = now, word == wordEnd
		return nil
	}
}
