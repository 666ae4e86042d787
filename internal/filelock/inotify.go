package filelock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// event says that something about the files of a lock has happened.
type event struct {
	// lockClosed: a descriptor was closed that may have been the holder's.
	lockClosed bool
	// err: there will be no more events. Not expected of the kernel.
	err error
}

// events is a watch on a directory, for the files of one lock. One goroutine
// reads it.
type events struct {
	c      chan event
	file   *os.File
	closed chan struct{}
	// dir is the directory that is watched, whatever has its name by now.
	dir     os.FileInfo
	dirName string
}

var errDirGone = errors.New("the lock directory was deleted or renamed")

// watchDir tells of events about the files named `name` in dir until close.
func watchDir(dir, name string) (*events, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("inotify_init1: %w; raise fs.inotify.max_user_instances", err)
	}
	file := os.NewFile(uintptr(fd), "inotify")
	info, err := os.Stat(dir)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	const mask = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, dir, mask); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("watch %s: %w; if it is space that is missing, raise fs.inotify.max_user_watches", dir, err)
	}
	// NewFile does not say when the runtime's poller refused the descriptor.
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("poll inotify: %w", err)
	}
	e := &events{c: make(chan event), file: file, closed: make(chan struct{}), dir: info, dirName: dir}
	go e.run(name)
	return e, nil
}

func (e *events) close() {
	close(e.closed)
	_ = e.file.Close()
}

// misplaced reports that the directory watched is not the one of this name. The
// kernel tells of its deletion only when nobody has a file of it open any more,
// which is as late as the holder lives.
func (e *events) misplaced() bool {
	info, err := os.Stat(e.dirName)
	return err != nil || !os.SameFile(info, e.dir)
}

func (e *events) run(name string) {
	// Room for some dozen; the kernel keeps the rest.
	buffer := make([]byte, 16*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		n, err := e.file.Read(buffer)
		happened, relevant := parse(buffer[:n], name)
		if err != nil {
			happened, relevant = event{err: err}, true
		}
		if !relevant {
			continue
		}
		select {
		case e.c <- happened:
		case <-e.closed:
			return
		}
		if happened.err != nil {
			return
		}
	}
}

// parse sums up what inotify wrote to buffer, as far as it is about the files
// named `name`.
func parse(buffer []byte, name string) (happened event, relevant bool) {
	for len(buffer) >= unix.SizeofInotifyEvent {
		// struct inotify_event: wd, mask, cookie, len, and len bytes of name.
		mask := binary.NativeEndian.Uint32(buffer[4:])
		length := binary.NativeEndian.Uint32(buffer[12:])
		end := min(uint64(unix.SizeofInotifyEvent)+uint64(length), uint64(len(buffer)))
		file := strings.TrimRight(string(buffer[unix.SizeofInotifyEvent:end]), "\x00")
		buffer = buffer[end:]
		switch {
		case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF) != 0:
			relevant = true
		case mask&unix.IN_Q_OVERFLOW != 0: // anything may have happened
			happened.lockClosed, relevant = true, true
		case file == name+lockEnding:
			happened.lockClosed, relevant = happened.lockClosed || mask&unix.IN_CLOSE_WRITE != 0, true
		case file == name+recordEnding:
			relevant = true
		}
	}
	return happened, relevant
}
