package probe

import (
	"context"
	"fmt"
)

// Runner runs a command and tells its exit status and what it has written
// (stdout and stderr; a few kilobytes are enough). An error means that it could
// not be run or has not ended. It must end what it has started, and return,
// soon after ctx is done. Calls come from several goroutines at once.
//
// It is handed in because processes are internal/child's: there is one reaper.
type Runner func(ctx context.Context, argv []string) (status int, output []byte, err error)

// execHandler runs the command with references to variables of environ replaced.
// Errors name it as it was written: what is replaced may be a secret.
func execHandler(exec *Exec, environ []string, run Runner) handler {
	argv := expandAll(exec.Command, environ)
	return func(ctx context.Context) (string, error) {
		status, output, err := run(ctx, argv)
		if err != nil {
			return "", fmt.Errorf("run %s: %w", exec.Command[0], err)
		}
		if status != 0 {
			return "", fmt.Errorf("run %s: exit status %d%s", exec.Command[0], status, saying(output))
		}
		return "", nil
	}
}

// saying is the first part of a failed command's output, as one line.
func saying(output []byte) string {
	const most = 200
	text := oneLine(string(output))
	if text == "" {
		return ""
	}
	if short := []rune(text); len(short) > most {
		text = string(short[:most]) + "…"
	}
	return ": " + text
}
