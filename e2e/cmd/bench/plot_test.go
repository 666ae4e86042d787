package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestDraw_HasADotForEveryRunOfEveryTool(t *testing.T) {
	t.Parallel()
	ours, other := &Result{Tool: "ours"}, &Result{Tool: "<other> & co"}
	for _, gap := range []float64{12, 13, -1} {
		ours.sample(map[string]float64{termGap: gap, gateBeyond: gap})
	}
	other.sample(map[string]float64{termGap: 17000})
	path := filepath.Join(t.TempDir(), "plot.svg")
	if err := (Report{Results: []*Result{ours, other}}).draw(path); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	dots := 0
	for words := xml.NewDecoder(file); ; {
		token, err := words.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		if start, is := token.(xml.StartElement); is && start.Name.Local == "circle" {
			dots++
		}
	}
	if dots != 7 {
		t.Errorf("%d dots, want 7", dots)
	}
}

func TestAt_GrowsWithTheTimeAndStaysOnTheAxis(t *testing.T) {
	t.Parallel()
	last := at(-5)
	if last != at(plotLeast) || at(1e9) != at(plotMost) {
		t.Errorf("beyond the axis: %v, %v", last, at(1e9))
	}
	for _, next := range []float64{2, 20, 200, 2000} {
		if at(next) <= last {
			t.Errorf("%v is at %v, not behind %v", next, at(next), last)
		}
		last = at(next)
	}
}
