package claims

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// Files follows leader files. Its methods may be called from any goroutine.
type Files struct {
	fd     int
	events *os.File
	ended  chan struct{}

	mu      sync.Mutex
	watched map[int32]watched
	runs    []record.Run
	open    map[string]int // index of the run of a replica whose file is there
	last    time.Duration  // of the event read last
	err     error
}

type watched struct{ replica, name string }

// NewFiles follows no file yet. It must be closed.
func NewFiles() (*Files, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch leader files: %w", err)
	}
	f := &Files{
		fd: fd, events: os.NewFile(uintptr(fd), "inotify"), ended: make(chan struct{}),
		watched: map[int32]watched{}, open: map[string]int{},
	}
	go f.read()
	return f, nil
}

// Watch follows the leader file of a replica. Its folder must exist, the file not.
func (f *Files) Watch(replica, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	wd, err := unix.InotifyAddWatch(f.fd, filepath.Dir(path), unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO)
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	f.watched[int32(wd)] = watched{replica, filepath.Base(path)}
	return nil
}

// Runs are the claims so far, in their order. One that goes on lasts until now.
func (f *Files) Runs() ([]record.Run, error) {
	now, err := record.Now()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	runs := slices.Clone(f.runs)
	for _, i := range f.open {
		runs[i].Last = max(now, f.last)
	}
	return runs, f.err
}

// Close ends the following.
func (f *Files) Close() {
	_ = f.events.Close()
	<-f.ended
}

func (f *Files) read() {
	defer close(f.ended)
	buffer := make([]byte, 64<<10)
	for {
		n, err := f.events.Read(buffer)
		now, clock := record.Now()
		f.mu.Lock()
		switch {
		case errors.Is(err, os.ErrClosed):
			f.mu.Unlock()
			return
		case err != nil || clock != nil:
			f.err = errors.Join(err, clock)
			f.mu.Unlock()
			return
		}
		for rest := buffer[:n]; len(rest) > 0; {
			size := unix.SizeofInotifyEvent + binary.NativeEndian.Uint32(rest[12:])
			f.note(rest[:size], now)
			rest = rest[size:]
		}
		f.mu.Unlock()
	}
}

// note takes one event, later than all before it.
func (f *Files) note(event []byte, now time.Duration) {
	w := f.watched[int32(binary.NativeEndian.Uint32(event))]
	if strings.TrimRight(string(event[unix.SizeofInotifyEvent:]), "\x00") != w.name {
		return
	}
	f.last = max(now, f.last+1)
	i, there := f.open[w.replica]
	switch made := binary.NativeEndian.Uint32(event[4:])&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0; {
	case made && !there:
		f.open[w.replica] = len(f.runs)
		f.runs = append(f.runs, record.Run{Name: w.replica, Started: f.last, Last: f.last})
	case !made && there:
		f.runs[i].Last, f.runs[i].Ended = f.last, true
		delete(f.open, w.replica)
	}
}
