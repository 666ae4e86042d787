package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestScreen_WithoutATerminalShowsTheStateOnlyAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		s := &screen{out: &out, last: time.Now()}
		for second := range 12 {
			s.state("at %d", second)
			time.Sleep(time.Second)
		}
		s.say("told")
		s.state("not at once")
		if want := "at 5\nat 10\ntold\n"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

func TestScreen_OnATerminalPutsTheStoryInThePlaceOfTheState(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := &screen{out: &out, live: true}
	s.state("first")
	s.state("second")
	s.say("told")
	s.say("more")
	if want := "\r\x1b[Kfirst\r\x1b[Ksecond\r\x1b[Ktold\nmore\n"; out.String() != want {
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
