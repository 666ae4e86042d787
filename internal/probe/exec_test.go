package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestExec_PassesForExitStatus0Alone(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		status int
		output string
		err    error
		want   string // empty: it passes
	}{
		"success":       {0, "fine", nil, ""},
		"failure":       {1, "", nil, "run check: exit status 1"},
		"death":         {137, " out\tof\r\n\x1b[31mmemory \n", nil, "run check: exit status 137: out of [31mmemory"},
		"much output":   {2, strings.Repeat("ä", 1000), nil, "run check: exit status 2: " + strings.Repeat("ä", 200) + "…"},
		"cannot be run": {0, "", errors.New("not found"), "run check: not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(_ context.Context, argv []string) (int, []byte, error) {
				if fmt.Sprint(argv) != "[check SECRET]" {
					t.Errorf("ran %v", argv)
				}
				return row.status, []byte(row.output), row.err
			}
			_, err := execHandler(&Exec{Command: []string{"check", "$(WORD)"}}, []string{"WORD=SECRET"}, run)(t.Context())
			if got := fmt.Sprint(err); row.want == "" && err != nil || row.want != "" && got != row.want {
				t.Errorf("got %q; want %q", got, row.want)
			}
		})
	}
}
