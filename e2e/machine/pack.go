package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed init.sh
var initScript string

// pack makes the archive that the kernel unpacks into memory as its root directory
// (an initramfs).
func (m *machine) pack(ctx context.Context, command []string) error {
	root := filepath.Join(m.dir, "root")
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return err
	}
	names := []string{"bin", "bin/busybox", "init", "arguments"}
	if err := os.Symlink(m.busybox, filepath.Join(root, "bin/busybox")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "init"), []byte(initScript), 0o755); err != nil { //nolint:gosec // a script
		return err
	}
	arguments := strings.Join(command, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(root, "arguments"), []byte(arguments), 0o600); err != nil {
		return err
	}
	for _, file := range m.files {
		target, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(root, filepath.Base(file))); err != nil {
			return err
		}
		names = append(names, filepath.Base(file))
	}
	cpio := exec.CommandContext(ctx, m.cpio, "--create", "--format=newc", "--dereference", "--quiet", "--file="+m.file("root.cpio"))
	cpio.Dir = root
	cpio.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	if text, err := cpio.CombinedOutput(); err != nil {
		return fmt.Errorf("pack the machine's files: %w: %s", err, text)
	}
	return nil
}

func (m *machine) file(name string) string { return filepath.Join(m.dir, name) }
