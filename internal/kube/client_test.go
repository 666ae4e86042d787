package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewClient_OutsideAClusterSaysWhatToSet(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := NewClient(Options{Setting: "-kubeconfig"})
	if err == nil || !strings.Contains(err.Error(), "set -kubeconfig to") || !strings.Contains(err.Error(), "LOCK_TYPE=file") {
		t.Errorf("got %v", err)
	}
}

func TestNewClient_NamesTheKubeconfigAndARemedyButNotItsContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, remedy := range map[string]string{
		filepath.Join(dir, "missing"):          "correct -kubeconfig",
		dir:                                    "correct -kubeconfig",
		file("garbage", "users: secret-token"): "config view",
		file("no-yaml", "\tsecret-token: ["):   "config view",
		file("empty", ""):                      "config view",
		file("exec", `{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}],
			"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
			"users":[{"name":"c","user":{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"secret-token","interactiveMode":"Never"}}}]}`): "create token",
		file("no-context", `{"apiVersion":"v1","kind":"Config","current-context":"secret-token"}`): "config view",
		file("bad-ca", `{"apiVersion":"v1","kind":"Config","current-context":"c",
			"contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}],"users":[{"name":"c","user":{"token":"secret-token"}}],
			"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1","certificate-authority":"/does/not/exist"}}]}`): "config view",
	} {
		_, err := NewClient(Options{Kubeconfig: path, Setting: "-kubeconfig"})
		if err == nil {
			t.Errorf("%s: no error", path)
			continue
		}
		if text := err.Error(); !strings.Contains(text, path) || !strings.Contains(text, remedy) || strings.Contains(text, "secret-token") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNewClient_TakesAListOfKubeconfigsOfWhichSomeAreMissing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config")
	content := `{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c"}}],"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1/prefix"}}]}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	list := "/does/not/exist" + string(filepath.ListSeparator) + path
	c, err := NewClient(Options{Kubeconfig: list})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.server.JoinPath(leases.path("a b", "db")).String(); got != "https://127.0.0.1:1/prefix/apis/coordination.k8s.io/v1/namespaces/a%20b/leases/db" {
		t.Errorf("a lease would be at %s", got)
	}
}
