package main

import (
	"io"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

func TestJudge_AcceptsOnlyThePromisedStory(t *testing.T) {
	t.Parallel()
	good := func() []record.Run {
		return []record.Run{
			{Name: "a", Token: "3", Started: 10, Last: 20, Ended: true},
			{Name: "b", Token: "5", Started: 21, Last: 30},
			{Name: "c", Token: "9", Started: 33, Last: 40, Ended: true},
		}
	}
	leaders := []string{"a", "b", "c"}
	d := &demo{screen: &screen{out: io.Discard}}
	if err := d.judge(good(), leaders); err != nil {
		t.Fatalf("the promised story: %v", err)
	}
	for name, spoil := range map[string]func([]record.Run) []record.Run{
		"two at once":                  func(r []record.Run) []record.Run { r[1].Started = 19; return r },
		"a token that does not grow":   func(r []record.Run) []record.Run { r[2].Token = "5"; return r },
		"no token":                     func(r []record.Run) []record.Run { r[0].Token = ""; return r },
		"one server too many":          func(r []record.Run) []record.Run { return append(r, record.Run{Token: "10", Started: 50, Ended: true}) },
		"a leader that was not ended":  func(r []record.Run) []record.Run { r[0].Ended = false; return r },
		"a killed leader that ended":   func(r []record.Run) []record.Run { r[1].Ended = true; return r },
		"another replica than was led": func(r []record.Run) []record.Run { r[1].Name = "c"; return r },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := d.judge(spoil(good()), leaders); err == nil {
				t.Error("accepted")
			}
		})
	}
}
