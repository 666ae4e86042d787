package examples

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// image is one that e2e/images/build made, unpacked.
type image struct {
	// rootfs is the root of its files. Containers share it, so it is read-only
	// in all of them.
	rootfs string
	config imageConfig
}

// imageConfig is the part of an image's configuration that a runtime needs.
type imageConfig struct {
	User            string
	Env             []string
	Entrypoint, Cmd []string
}

// tars are what the images are in.
var tars = []string{"gate", "redis", "nginx", "curl"}

// unpacked are the images of this run of the tests, by reference.
var unpacked sync.Map

// imageOf unpacks the image of a reference, once. Where it cannot be there the
// test is skipped.
func imageOf(t *testing.T, reference string) image {
	t.Helper()
	once, _ := unpacked.LoadOrStore(reference, sync.OnceValues(func() (image, error) { return unpack(reference) }))
	made, err := once.(func() (image, error))()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// needRuntime skips a test where Pods cannot be run.
func needRuntime(t *testing.T) {
	t.Helper()
	stage.NeedRoot(t)
	_, err := exec.LookPath("runc")
	for _, name := range tars {
		_, missing := os.Stat(tarOf(name))
		err = errors.Join(err, missing)
	}
	switch {
	case err == nil:
	case *images == "":
		t.Skipf("%s needs Debian's runc, and what `e2e/images/build bin/images` makes: %v", t.Name(), err)
	default:
		t.Fatal(err)
	}
}

// tarOf is the file that holds an image.
func tarOf(name string) string {
	folder := *images
	if folder == "" {
		folder = filepath.Join(root, "bin", "images")
	}
	return filepath.Join(folder, name+".tar")
}

// unpack finds the tar of a reference by what is in it.
func unpack(reference string) (image, error) {
	for _, name := range tars {
		files, err := documents(tarOf(name))
		if err != nil {
			return image{}, err
		}
		var manifest []struct {
			Config           string
			RepoTags, Layers []string
		}
		if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
			return image{}, fmt.Errorf("%s: manifest.json: %w", tarOf(name), err)
		}
		if len(manifest) != 1 || len(manifest[0].RepoTags) != 1 || manifest[0].RepoTags[0] != reference {
			continue
		}
		var config struct {
			Config imageConfig `json:"config"`
		}
		if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
			return image{}, fmt.Errorf("%s: %s: %w", tarOf(name), manifest[0].Config, err)
		}
		rootfs := filepath.Join(scratch, name)
		if err := os.Mkdir(rootfs, 0o755); err != nil {
			return image{}, err
		}
		for _, layer := range manifest[0].Layers {
			// tar keeps owners and modes, and need not know of removals: every
			// image here has been built from nothing.
			script := `tar -xOf "$1" "$2" | tar -x --numeric-owner -p -C "$3"`
			if said, err := exec.Command("bash", "-o", "pipefail", "-c", script, "unpack", tarOf(name), layer, rootfs).CombinedOutput(); err != nil {
				return image{}, fmt.Errorf("unpack %s: %w: %s", tarOf(name), err, said)
			}
		}
		return image{rootfs: rootfs, config: config.Config}, nil
	}
	return image{}, fmt.Errorf("no tar holds the image %s", reference)
}

// documents are the JSON files of an archive.
func documents(path string) (map[string][]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	all := map[string][]byte{}
	for archive := tar.NewReader(file); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if strings.HasSuffix(header.Name, ".json") {
			var text bytes.Buffer
			if _, err := io.Copy(&text, archive); err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			all[header.Name] = text.Bytes()
		}
	}
}

// The files that runc reads, as far as they are used here.
type (
	bundle struct {
		Version  string  `json:"ociVersion"`
		Process  process `json:"process"`
		Root     rootfs  `json:"root"`
		Hostname string  `json:"hostname"`
		Mounts   []mount `json:"mounts"`
		Linux    linux   `json:"linux"`
	}
	process struct {
		User            user                `json:"user"`
		Args            []string            `json:"args"`
		Env             []string            `json:"env"`
		Cwd             string              `json:"cwd"`
		Capabilities    map[string][]string `json:"capabilities"`
		NoNewPrivileges bool                `json:"noNewPrivileges"`
	}
	user struct {
		UID            int64   `json:"uid"`
		GID            int64   `json:"gid"`
		AdditionalGids []int64 `json:"additionalGids,omitempty"`
	}
	rootfs struct {
		Path     string `json:"path"`
		Readonly bool   `json:"readonly"`
	}
	mount struct {
		Destination string   `json:"destination"`
		Type        string   `json:"type"`
		Source      string   `json:"source"`
		Options     []string `json:"options,omitempty"`
	}
	linux struct {
		CgroupsPath string              `json:"cgroupsPath"`
		Namespaces  []map[string]string `json:"namespaces"`
	}
)
