package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestScreen_OffATerminalTellsEachLeaderOnce(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := &screen{out: &out}
	led := func(replica, token, answer string) state {
		return state{rows: []row{{replica: replica, token: token, leads: true}, {replica: "z"}}, answer: answer}
	}
	for _, now := range []state{led("a", "1", ""), led("a", "1", "a, pid 7"), led("a", "1", ""), led("a", "1", "a, pid 7"), led("b", "2", "b, pid 9")} {
		s.show(now)
	}
	want := "   a leads, fencing token 1;  answers: a, pid 7\n   b leads, fencing token 2;  answers: b, pid 9\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestScreen_OnATerminalPutsTheStoryAboveTheTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := &screen{out: &out, live: true}
	now := state{rows: []row{{replica: "a", leads: true, since: time.Second}}}
	s.show(now)
	lines := strings.Count(out.String(), "\n")
	out.Reset()
	s.say("told")
	s.say("more")
	if want := "\x1b[" + string(rune('0'+lines)) + "A\r\x1b[Jtold\nmore\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestIsTerminal_IsFalseForAFile(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if isTerminal(file) {
		t.Error("a file was taken for a terminal")
	}
}
