package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGolden_FilesAreWhatIsRendered keeps the whole text of a few renderings, so
// that a change of the chart shows in review what it does. -update rewrites them.
func TestGolden_FilesAreWhatIsRendered(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"minimal", "redis", "statefulset", "podlabel", "sidecar"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.TrimPrefix(render(t, input{files: ciFile(name)}).manifest, "---\n")
			path := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("not what %s has (go test -run TestGolden -update rewrites it); %s", path, firstDifference(string(want), got))
			}
		})
	}
}

// firstDifference is where two texts part.
func firstDifference(want, got string) string {
	wanted, have := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wanted), len(have)) {
		if wanted[i] != have[i] {
			return "want line\n" + wanted[i] + "\ngot\n" + have[i]
		}
	}
	return "one ends before the other"
}
