package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// leftovers makes the directory of a cluster and returns it.
func leftovers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{"logs/node-1", "node-1/lib/containerd"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := (&state{Kubernetes: "v1.2.3"}).save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range all {
		names = append(names, entry.Name())
	}
	return names
}

func TestTakeDown_TakesEachStepInItsOrderAndLeavesTheLogs(t *testing.T) {
	t.Parallel()
	dir := leftovers(t)
	var taken []string
	note := func(name string) step {
		return step{name, func(_ context.Context, s *state) error {
			taken = append(taken, name+" of "+s.Kubernetes)
			return nil
		}}
	}
	steps := []step{note("first"), note("second")}
	for range 2 { // the second time there is nothing to do
		if err := takeDown(t.Context(), dir, steps); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"first of v1.2.3", "second of v1.2.3"}; !slices.Equal(taken, want) {
		t.Errorf("took %q, want %q", taken, want)
	}
	if got, want := entries(t, dir), []string{"logs"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

func TestTakeDown_CanBeDoneAgainAfterAStepHasFailed(t *testing.T) {
	t.Parallel()
	dir := leftovers(t)
	refused := errors.New("refused")
	later := false
	steps := []step{
		{"fail", func(context.Context, *state) error { return refused }},
		{"come later", func(context.Context, *state) error { later = true; return nil }},
	}
	if err := takeDown(t.Context(), dir, steps); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if later {
		t.Error("a later step was taken")
	}
	if got, want := entries(t, dir), []string{"logs", "node-1", "state.json"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
	if err := takeDown(t.Context(), dir, steps[1:]); err != nil {
		t.Error(err)
	}
}
