package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// screen shows the story line by line and, on a terminal, below it a table that
// is drawn anew. Elsewhere the table becomes a line whenever the leader changes.
type screen struct {
	out   io.Writer
	live  bool
	drawn int    // lines of the table that stand on the terminal
	told  string // the last line about a leader
}

// state is what the table shows of the present moment.
type state struct {
	rows   []row
	answer string // of the server, as a client sees it; empty: none
	url    string
}

type row struct {
	replica string
	gate    int // process id
	what    string
	leads   bool
	since   time.Duration
	token   string
}

func newScreen(out *os.File) *screen {
	return &screen{out: out, live: isTerminal(out) && os.Getenv("TERM") != "dumb"}
}

// isTerminal asks for the terminal's settings, as isatty(3) does.
func isTerminal(f *os.File) bool {
	var settings syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&settings)))
	return errno == 0
}

// say adds a line to the story, above the table.
func (s *screen) say(format string, arguments ...any) {
	s.erase()
	s.print(fmt.Sprintf(format, arguments...) + "\n")
}

// show draws the table.
func (s *screen) show(now state) {
	if !s.live {
		for _, r := range now.rows {
			if line := fmt.Sprintf("   %s leads, fencing token %s", r.replica, r.token); r.leads && now.answer != "" && line != s.told {
				s.say("%s; %s answers: %s", line, now.url, now.answer)
				s.told = line
			}
		}
		return
	}
	s.erase()
	table := now.table()
	s.print(table)
	s.drawn = strings.Count(table, "\n")
}

func (now state) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n   %-8s %-9s %-22s %8s  %s\n", "replica", "gate pid", "", "since", "fencing token")
	for _, r := range now.rows {
		if r.leads {
			fmt.Fprintf(&b, " ▶ %-8s %-9d %-22s %6.1f s  %s\n", r.replica, r.gate, r.what, r.since.Seconds(), r.token)
		} else {
			fmt.Fprintf(&b, "   %-8s %-9d %s\n", r.replica, r.gate, r.what)
		}
	}
	fmt.Fprintf(&b, "\n   %s → %s\n", now.url, cmp.Or(now.answer, "no answer"))
	return b.String()
}

// erase takes the table off the terminal (ECMA-48: cursor up, erase to end).
func (s *screen) erase() {
	if s.drawn > 0 {
		s.print(fmt.Sprintf("\x1b[%dA\r\x1b[J", s.drawn))
		s.drawn = 0
	}
}

// print ignores that nobody may be reading: the story goes on to its end, which
// is where everything is cleaned up.
func (s *screen) print(text string) {
	_, _ = io.WriteString(s.out, text)
}
