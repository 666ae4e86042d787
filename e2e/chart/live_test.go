package chart

import (
	"log/slog"
	"path/filepath"
	"testing"

	three "helm.sh/helm/v3/pkg/action"
	loader3 "helm.sh/helm/v3/pkg/chart/loader"
	cli3 "helm.sh/helm/v3/pkg/cli"
	four "helm.sh/helm/v4/pkg/action"
	loader4 "helm.sh/helm/v4/pkg/chart/v2/loader"
	cli4 "helm.sh/helm/v4/pkg/cli"
	kube4 "helm.sh/helm/v4/pkg/kube"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
)

// helm does what the command of that name does with the chart, against the API
// server of the tests. It waits for nothing: no controllers run there. All fail
// the test for values that cannot be read alone, and return what Helm says.
type helm interface {
	install(in input) error
	upgrade(in input) error
	// force is upgrade with --force-conflicts, of which Helm 3 has no need.
	force(in input) error
	rollback(in input, revision int) error
}

// helms are both, as their defaults are: Helm 3 patches what differs from the
// release before, Helm 4 applies on the server.
func helms(t *testing.T) map[string]helm {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := apiserver.WriteKubeconfig(kubeconfig, server.Config()); err != nil {
		t.Fatal(err)
	}
	return map[string]helm{"Helm 3": helm3{t, kubeconfig}, "Helm 4": helm4{t, kubeconfig}}
}

type helm3 struct {
	t          *testing.T
	kubeconfig string
}

func (h helm3) config(in input) *three.Configuration {
	h.t.Helper()
	settings := cli3.New()
	settings.KubeConfig = h.kubeconfig
	settings.SetNamespace(in.namespace)
	config := new(three.Configuration)
	if err := config.Init(settings.RESTClientGetter(), in.namespace, "secret", h.t.Logf); err != nil {
		h.t.Fatal(err)
	}
	return config
}

func (h helm3) install(in input) error {
	h.t.Helper()
	install := three.NewInstall(h.config(in))
	install.ReleaseName, install.Namespace = releaseOf(in), in.namespace
	c, err := loader3.LoadDir(folder)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = install.Run(c, given(h.t, in))
	return err
}

func (h helm3) upgrade(in input) error {
	h.t.Helper()
	upgrade := three.NewUpgrade(h.config(in))
	upgrade.Namespace = in.namespace
	c, err := loader3.LoadDir(folder)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = upgrade.Run(releaseOf(in), c, given(h.t, in))
	return err
}

func (h helm3) force(in input) error { return h.upgrade(in) }

func (h helm3) rollback(in input, revision int) error {
	h.t.Helper()
	rollback := three.NewRollback(h.config(in))
	rollback.Version = revision
	return rollback.Run(releaseOf(in))
}

type helm4 struct {
	t          *testing.T
	kubeconfig string
}

func (h helm4) config(in input) *four.Configuration {
	h.t.Helper()
	settings := cli4.New()
	settings.KubeConfig = h.kubeconfig
	settings.SetNamespace(in.namespace)
	config := four.NewConfiguration(four.ConfigurationSetLogger(slog.DiscardHandler))
	if err := config.Init(settings.RESTClientGetter(), in.namespace, "secret"); err != nil {
		h.t.Fatal(err)
	}
	return config
}

func (h helm4) install(in input) error {
	h.t.Helper()
	install := four.NewInstall(h.config(in))
	install.ReleaseName, install.Namespace = releaseOf(in), in.namespace
	install.WaitStrategy = kube4.HookOnlyStrategy
	c, err := loader4.LoadDir(folder)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = install.Run(c, given(h.t, in))
	return err
}

func (h helm4) upgrade(in input) error {
	h.t.Helper()
	return h.upgradeWith(in, func(*four.Upgrade) {})
}

func (h helm4) force(in input) error {
	h.t.Helper()
	return h.upgradeWith(in, func(u *four.Upgrade) { u.ForceConflicts = true })
}

func (h helm4) upgradeWith(in input, option func(*four.Upgrade)) error {
	h.t.Helper()
	upgrade := four.NewUpgrade(h.config(in))
	upgrade.Namespace = in.namespace
	upgrade.WaitStrategy = kube4.HookOnlyStrategy
	option(upgrade)
	c, err := loader4.LoadDir(folder)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = upgrade.Run(releaseOf(in), c, given(h.t, in))
	return err
}

func (h helm4) rollback(in input, revision int) error {
	h.t.Helper()
	rollback := four.NewRollback(h.config(in))
	rollback.Version = revision
	rollback.WaitStrategy = kube4.HookOnlyStrategy
	return rollback.Run(releaseOf(in))
}

func given(t *testing.T, in input) map[string]any {
	t.Helper()
	values, err := valuesOf(t, in)
	if err != nil {
		t.Fatal(err)
	}
	return values
}
