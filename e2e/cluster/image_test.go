package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteImage_WritesOneProgramAsAnImage(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	if err := writeImage(&image, "localhost/program:1", program); err != nil {
		t.Fatal(err)
	}
	files := readTar(t, &image)
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"].text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || len(manifest[0].RepoTags) != 1 || manifest[0].RepoTags[0] != "localhost/program:1" || len(manifest[0].Layers) != 1 {
		t.Fatalf("manifest: %+v", manifest)
	}
	var config struct {
		Config struct{ Entrypoint []string }
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(files[manifest[0].Config].text, &config); err != nil {
		t.Fatal(err)
	}
	layer := files[manifest[0].Layers[0]].text
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(layer)); len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != want {
		t.Errorf("layers %q, want %q", config.RootFS.DiffIDs, want)
	}
	if len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/program" {
		t.Errorf("entrypoint %q", config.Config.Entrypoint)
	}
	inside := readTar(t, bytes.NewReader(layer))["program"]
	if string(inside.text) != "a program" || inside.mode != 0o755 {
		t.Errorf("the layer has %q with mode %o", inside.text, inside.mode)
	}
}

func readTar(t *testing.T, r io.Reader) map[string]tarFile {
	t.Helper()
	files := map[string]tarFile{}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = tarFile{header.Name, header.Mode, text}
	}
}
