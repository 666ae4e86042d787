package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// quiet is how long nothing may be said before the state is, where there is no
// terminal.
const quiet = 5 * time.Second

// screen tells the story line by line. On a terminal the last line is the present
// state, written anew again and again; elsewhere that is said now and then.
type screen struct {
	out   io.Writer
	live  bool
	drawn bool // the state stands on the terminal
	last  time.Time
}

func newScreen(out *os.File) *screen {
	return &screen{out: out, live: isTerminal(out) && os.Getenv("TERM") != "dumb", last: time.Now()}
}

// isTerminal asks for the terminal's settings, as isatty(3) does.
func isTerminal(f *os.File) bool {
	var settings syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&settings)))
	return errno == 0
}

// say adds a line to the story.
func (s *screen) say(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...) + "\n"
	if s.drawn {
		text = "\r\x1b[K" + text // ECMA-48: erase to the end of the line
	}
	s.drawn, s.last = false, time.Now()
	// Nobody may be reading: the story goes on to its end, where all is cleaned up.
	_, _ = io.WriteString(s.out, text)
}

// state shows how things are at the moment.
func (s *screen) state(format string, arguments ...any) {
	switch {
	case s.live:
		_, _ = io.WriteString(s.out, "\r\x1b[K"+fmt.Sprintf(format, arguments...))
		s.drawn = true
	case time.Since(s.last) >= quiet:
		s.say(format, arguments...)
	}
}

// Write adds what others say, a line each.
func (s *screen) Write(text []byte) (int, error) {
	s.say("   %s", strings.TrimSuffix(string(text), "\n"))
	return len(text), nil
}
