package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const module = "github.com/k8s-await-election/k8s-await-election/"

// binary returns the absolute path of the binary that was given, or builds it
// from the package into the folder. It has to be called within the module.
func binary(ctx context.Context, screen *screen, given, folder, name, pkg string) (string, error) {
	if given != "" {
		return absolute(given)
	}
	screen.say("Building %s (the first time takes a while) …", name)
	path := filepath.Join(folder, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", path, module+pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	build.Cancel = func() error { return build.Process.Signal(syscall.SIGTERM) }
	build.WaitDelay = 5 * time.Second
	if err := build.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", errors.Join(fmt.Errorf("build %s: %w", name, err),
			errors.New("run the demo from the repository, or name built binaries by -gate and -server"))
	}
	return absolute(path)
}
