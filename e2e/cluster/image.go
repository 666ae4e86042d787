package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// writeImage writes an image of one program, in the format of `docker save`, so
// that the cluster's own images need no engine.
func writeImage(w io.Writer, name, program string) error {
	if err := writeArchive(w, name, program); err != nil {
		return fmt.Errorf("make image %s: %w", name, err)
	}
	return nil
}

func writeArchive(w io.Writer, name, program string) error {
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	entrypoint := filepath.Base(program)
	var layer bytes.Buffer
	if err := writeTar(&layer, tarFile{entrypoint, 0o755, binary}); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": []string{"/" + entrypoint}, "User": "65532:65532"},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes()))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	return writeTar(w,
		tarFile{"manifest.json", 0o644, manifest},
		tarFile{"config.json", 0o644, config},
		tarFile{"layer.tar", 0o644, layer.Bytes()})
}

type tarFile struct {
	name string
	mode int64
	text []byte
}

func writeTar(w io.Writer, files ...tarFile) error {
	archive := tar.NewWriter(w)
	for _, file := range files {
		header := &tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.text)), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(file.text); err != nil {
			return err
		}
	}
	return archive.Close()
}

// importImage gives an image to a node's containerd.
func (s *state) importImage(ctx context.Context, node string, archive io.Reader) error {
	command := append(s.enter(node, "--mount"), s.Programs["ctr"], "--namespace=k8s.io", "images", "import", "-")
	if err := runInput(ctx, archive, command...); err != nil {
		return fmt.Errorf("load an image into %s: %w", node, err)
	}
	return nil
}
