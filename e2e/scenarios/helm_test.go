package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/release"
)

// chartFolder is the chart as it is in the repository.
var chartFolder = filepath.Join("..", "..", "charts", "k8s-await-election")

// helm does in one namespace what the command helm does, with --wait.
type helm struct {
	t      *testing.T
	config *action.Configuration
	// release is its name.
	release   string
	namespace string
	// files are given with each --values, before what differs.
	files []string
}

// helm is for a release by an example's values files. The chart comes from the
// repository, the cluster from KUBECONFIG.
func (s *scenario) helm(release string, files ...string) *helm {
	s.t.Helper()
	settings := cli.New()
	settings.SetNamespace(s.namespace)
	config := new(action.Configuration)
	quiet := func(string, ...any) {}
	if err := config.Init(settings.RESTClientGetter(), s.namespace, "secret", quiet); err != nil {
		s.t.Fatal(err)
	}
	return &helm{t: s.t, config: config, release: release, namespace: s.namespace, files: files}
}

// recorder is the recorder's release, not installed yet, with its volume.
func (s *scenario) recorder() *helm {
	s.t.Helper()
	s.makeVolume()
	return s.helm("recorder", filepath.Join(recorderFolder, "values.yaml"))
}

// install is helm install --wait, with the texts as further values files.
func (h *helm) install(texts ...string) {
	h.t.Helper()
	h.run("install", h.installing(true, texts))
}

// installNow is helm install without --wait.
func (h *helm) installNow(texts ...string) {
	h.t.Helper()
	h.run("install", h.installing(false, texts))
}

func (h *helm) installing(wait bool, texts []string) func() error {
	h.t.Helper()
	c, given := h.load(), h.values(texts)
	return func() error {
		install := action.NewInstall(h.config)
		install.ReleaseName, install.Namespace = h.release, h.namespace
		install.Wait, install.Timeout = wait, patience
		_, err := install.Run(c, given)
		return err
	}
}

// upgrade is helm upgrade --wait, with the texts as further values files.
func (h *helm) upgrade(texts ...string) {
	h.t.Helper()
	c, given := h.load(), h.values(texts)
	h.run("upgrade", func() error {
		upgrade := action.NewUpgrade(h.config)
		upgrade.Namespace = h.namespace
		upgrade.Wait, upgrade.Timeout = true, patience
		_, err := upgrade.Run(h.release, c, given)
		return err
	})
}

// rollback is helm rollback --wait to the revision.
func (h *helm) rollback(revision int) {
	h.t.Helper()
	h.run("rollback", func() error {
		rollback := action.NewRollback(h.config)
		rollback.Version = revision
		rollback.Wait, rollback.Timeout = true, patience
		return rollback.Run(h.release)
	})
}

// test is helm test.
func (h *helm) test() {
	h.t.Helper()
	h.run("test", func() error {
		test := action.NewReleaseTesting(h.config)
		test.Namespace, test.Timeout = h.namespace, patience
		done, err := test.Run(h.release)
		if err != nil {
			return err
		}
		passed := 0
		for _, hook := range done.Hooks {
			if hook.LastRun.Phase == release.HookPhaseSucceeded {
				passed++
			}
		}
		if passed == 0 {
			return fmt.Errorf("of %d hooks none was run", len(done.Hooks))
		}
		return nil
	})
}

// uninstall is helm uninstall, with --wait if so.
func (h *helm) uninstall(wait bool) {
	h.t.Helper()
	h.run("uninstall", func() error {
		uninstall := action.NewUninstall(h.config)
		uninstall.Wait, uninstall.Timeout = wait, patience
		_, err := uninstall.Run(h.release)
		return err
	})
}

func (h *helm) run(what string, act func() error) {
	h.t.Helper()
	if err := act(); err != nil {
		h.t.Fatalf("helm %s %s: %v", what, h.release, err)
	}
}

// load reads the chart, each time: Helm writes into it.
func (h *helm) load() *chart.Chart {
	h.t.Helper()
	c, err := loader.LoadDir(chartFolder)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// values merges what helm is given with --values.
func (h *helm) values(texts []string) map[string]any {
	h.t.Helper()
	folder := h.t.TempDir()
	options := values.Options{ValueFiles: h.files}
	for i, text := range texts {
		file := filepath.Join(folder, fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(file, []byte(strings.TrimSpace(text)), 0o600); err != nil {
			h.t.Fatal(err)
		}
		options.ValueFiles = append(options.ValueFiles[:len(options.ValueFiles):len(options.ValueFiles)], file)
	}
	merged, err := options.MergeValues(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return merged
}
