package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli/values"
)

const (
	namespace = "k8s-await-election-demo"
	// release is the name of all that Helm makes: Deployment, Service and Lease.
	release = "redis"
	image   = "localhost/k8s-await-election-examples/redis:debian12"
	// data is the claim of examples/redis/volume.yaml.
	data = "redis-data"
)

var (
	chartFolder = filepath.Join("charts", "k8s-await-election")
	valuesFile  = filepath.Join("examples", "redis", "values-volume.yaml")
	volumeFile  = filepath.Join("examples", "redis", "volume.yaml")
)

// settings are the --set of helm install: the image, its command, its port, and
// how to see that it is ready.
var settings = []string{
	"app.image.repository=localhost/k8s-await-election-examples/redis,app.image.tag=debian12",
	"app.command={redis-server,--protected-mode,no,--dir,/data,--appendonly,yes,--appendfsync,always}",
	"app.ports.redis=6379",
	"app.probes.readiness.exec.command={redis-cli,-e,ping},app.probes.readiness.periodSeconds=1",
}

// helmInstall is the command that does what install does, as one would type it.
func helmInstall(set []string) string {
	lines := []string{"helm install " + release + " " + chartFolder + " --namespace " + namespace}
	for _, text := range slices.Concat(settings, set) {
		lines = append(lines, "  --set "+quote(text))
	}
	lines = append(lines, "  --values "+valuesFile)
	return "   " + strings.Join(lines, " \\\n   ")
}

// quote writes an argument for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// helm is Helm in the demo's namespace.
func (d *demo) helm() (*action.Configuration, error) {
	d.place.settings.SetNamespace(namespace)
	config := new(action.Configuration)
	err := config.Init(d.place.settings.RESTClientGetter(), namespace, "secret", func(string, ...any) {})
	return config, err
}

// install is helm install --wait. It is called from the repository's root.
func (d *demo) install(ctx context.Context) error {
	config, err := d.helm()
	if err != nil {
		return err
	}
	chart, err := loader.LoadDir(chartFolder)
	if err != nil {
		return fmt.Errorf("read the chart (the demo is for the repository's root): %w", err)
	}
	options := values.Options{ValueFiles: []string{valuesFile}, Values: slices.Concat(settings, d.options.set)}
	given, err := options.MergeValues(nil)
	if err != nil {
		return err
	}
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace = release, namespace
	install.Wait, install.Timeout = true, patience
	if _, err := install.RunWithContext(ctx, chart, given); err != nil {
		return fmt.Errorf("helm install %s: %w%s", release, err, d.complaints(context.WithoutCancel(ctx)))
	}
	return nil
}

// uninstall is helm uninstall --wait, also of a release that is not there.
func (d *demo) uninstall() error {
	config, err := d.helm()
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(config)
	uninstall.Wait, uninstall.Timeout, uninstall.IgnoreNotFound = true, patience, true
	if _, err := uninstall.Run(release); err != nil {
		return fmt.Errorf("helm uninstall %s: %w", release, err)
	}
	return nil
}
