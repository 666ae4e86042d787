package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/cli"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// patience is how long anything may take before the demo calls it broken.
const patience = 2 * time.Minute

// pollPause is how long it waits between two looks at the cluster.
const pollPause = 100 * time.Millisecond

// place is the cluster on which the demo runs.
type place struct {
	screen   *screen
	settings *cli.EnvSettings // Helm's
	client   kubernetes.Interface
	nodes    []corev1.Node
	// host is the cluster as its host sees it; nil where that is not this machine.
	host *cluster.Cluster
	// broughtUp tells that the demo has done so.
	broughtUp bool
	// reserved keeps others from host; nil where that is.
	reserved *cluster.Reservation
}

// findPlace connects to the cluster of KUBECONFIG, or to that of `make cluster`,
// which it brings up if need be and keeps from others meanwhile.
func findPlace(ctx context.Context, o options, screen *screen) (_ *place, err error) {
	p := &place{settings: cli.New(), screen: screen}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.leave(context.WithoutCancel(ctx)))
		}
	}()
	given := os.Getenv("KUBECONFIG")
	if own, err := cluster.Attach(); given == "" || (err == nil && given == own.Kubeconfig) {
		if err := p.takeOwn(ctx, o); err != nil {
			return nil, err
		}
		p.settings.KubeConfig = p.host.Kubeconfig
	}
	config, err := p.settings.RESTClientGetter().ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the server knows best what is too much
	if p.client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	version, err := p.client.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("reach the cluster at %s: %w", config.Host, err)
	}
	list, err := p.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	p.nodes = list.Items
	screen.say("Kubernetes %s at %s, nodes: %s.", version.GitVersion, config.Host, names(p.nodes))
	return p, p.loadImages(ctx, o.images)
}

// takeOwn takes the cluster of `make cluster`.
func (p *place) takeOwn(ctx context.Context, o options) error {
	own, err := cluster.Up(ctx, cluster.Options{Path: o.programs, Progress: p.screen})
	if err != nil && !errors.Is(err, cluster.ErrRunning) {
		return err
	}
	p.host, p.broughtUp = own, err == nil
	if p.reserved, err = own.Reserve(ctx, p.screen); err != nil {
		return err
	}
	for _, node := range own.Nodes { // what a demo that was killed has frozen
		if err := node.Thaw(); err != nil {
			return err
		}
	}
	return nil
}

// leave takes the cluster down if the demo has brought it up, or lets others in.
// One that it has brought up and others were quicker to reserve is left to them.
func (p *place) leave(ctx context.Context) error {
	if p.reserved == nil {
		return nil
	}
	defer p.reserved.Release()
	if !p.broughtUp {
		return nil
	}
	p.broughtUp = false
	p.screen.state("Taking the cluster down …")
	if err := p.reserved.Down(ctx); err != nil {
		return err
	}
	p.screen.say("The cluster is taken down; nothing is left.")
	return nil
}

func names(nodes []corev1.Node) string {
	var all []string
	for _, node := range nodes {
		all = append(all, node.Name)
	}
	return strings.Join(all, ", ")
}

// images are those of the demo, by the names of their archives.
var images = []string{"gate", "redis"}

// loadImages gives the images to the nodes, where that can be done.
func (p *place) loadImages(ctx context.Context, folder string) error {
	kind := kindCluster(p.nodes)
	_, err := exec.LookPath("kind")
	var load func(context.Context, string) error
	switch {
	case p.host != nil:
		load = p.loadIntoOwn
	case kind != "" && err == nil:
		load = func(ctx context.Context, archive string) error { return loadIntoKind(ctx, kind, archive) }
	default:
		p.screen.say("The images have to be on its nodes already, or where they pull from.")
		return nil
	}
	for _, name := range images {
		p.screen.state("Loading the image of %s into the nodes …", name)
		if err := load(ctx, filepath.Join(folder, name+".tar")); err != nil {
			return fmt.Errorf("load the image of %s: %w", name, err)
		}
	}
	return nil
}

func (p *place) loadIntoOwn(ctx context.Context, path string) error {
	archive, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w; run make build && e2e/images/build bin/images", err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	info, err := archive.Stat()
	if err != nil {
		return err
	}
	return p.host.LoadImage(ctx, archive, info.Size())
}

func loadIntoKind(ctx context.Context, name, archive string) error {
	if said, err := exec.CommandContext(ctx, "kind", "load", "image-archive", archive, "--name", name).CombinedOutput(); err != nil {
		return fmt.Errorf("kind load image-archive: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

// kindCluster is the name that kind has given to the cluster of these nodes; empty
// where they are none of kind's. Their ids are like kind://docker/NAME/NODE.
func kindCluster(nodes []corev1.Node) string {
	for _, node := range nodes {
		if id, is := strings.CutPrefix(node.Spec.ProviderID, "kind://"); is {
			if parts := strings.Split(id, "/"); len(parts) == 3 {
				return parts[1]
			}
		}
	}
	return ""
}
