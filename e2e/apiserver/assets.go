package apiserver

import (
	"fmt"
	"os"
	"path/filepath"
)

// Version is the release of kube-apiserver that `make test` builds.
const Version = "v1.37.1"

// Assets is the directory that holds the binaries kube-apiserver and etcd:
// KUBEBUILDER_ASSETS where it is set, else this project's folder in the user's
// cache. An error says how to get them.
func Assets() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find kube-apiserver and etcd: %w: set KUBEBUILDER_ASSETS to their directory", err)
		}
		dir = filepath.Join(cache, "k8s-await-election", Version)
	}
	for _, name := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("find %s: %w: run make test (it builds them), or set KUBEBUILDER_ASSETS to their directory", name, err)
		}
	}
	return dir, nil
}
