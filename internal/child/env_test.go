package child

import (
	"slices"
	"testing"
)

func TestMerge_ReplacesWhatIsThere(t *testing.T) {
	t.Parallel()
	base := []string{"A=1", "TOKEN=old", "B=2", "TOKEN=older", "TOKENS=3"}
	got := merge(base, []string{"TOKEN=new=er", "C="})
	if want := []string{"A=1", "B=2", "TOKENS=3", "TOKEN=new=er", "C="}; !slices.Equal(got, want) {
		t.Errorf("merge = %q, want %q", got, want)
	}
}
