package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is the cluster that runs on this machine. What it and its parts can do
// needs root, and may be done from several goroutines.
type Cluster struct {
	// Kubernetes is the version, such as v1.34.4.
	Kubernetes string
	// Kubeconfig is the file with an administrator's access.
	Kubeconfig string
	// Kubectl is the program of that version.
	Kubectl string
	// DualStack tells whether Pods and Services may have IPv6 beside IPv4.
	DualStack bool
	// Nodes are the nodes; the API server knows them by their names.
	Nodes []*Node

	state *state
}

// ErrNone is returned by Attach where no cluster runs.
var ErrNone = errors.New("no cluster runs on this machine: run make cluster")

// Attach finds the cluster that Up has brought up, in this process or another.
func Attach() (*Cluster, error) {
	if err := requireRoot(); err != nil {
		return nil, err
	}
	s, err := load(Dir)
	if isAbsent(err) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	if !s.running() {
		return nil, fmt.Errorf("%w (what %s tells of is incomplete, or has ended)", ErrNone, stateFile(Dir))
	}
	c := &Cluster{
		Kubernetes: s.Kubernetes, Kubeconfig: kubeconfig(Dir), Kubectl: s.Programs["kubectl"],
		DualStack: s.IPv6, state: s,
	}
	for number := 1; number <= nodeCount; number++ {
		c.Nodes = append(c.Nodes, &Node{Name: nodeName(number), state: s})
	}
	return c, nil
}

// IsOf tells whether the API server is the program in one of the directories: a
// cluster that runs may be of another version than somebody asks for.
func (c *Cluster) IsOf(path []string) bool {
	file, found := lookup("kube-apiserver", path)
	return found && file == c.state.Programs["kube-apiserver"]
}

func kubeconfig(dir string) string { return filepath.Join(dir, "kubeconfig") }

// Node finds a node by its name.
func (c *Cluster) Node(name string) (*Node, error) {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("find node %q: the nodes are %s and %s", name, c.Nodes[0].Name, c.Nodes[1].Name)
}

// Component finds a program of the control plane by its name: etcd,
// kube-apiserver, kube-controller-manager, kube-scheduler or kube-proxy.
func (c *Cluster) Component(name string) (*Component, error) {
	return c.state.component(control, name)
}

// AwaitAPI returns when the API server answers, for after it was hurt.
func (c *Cluster) AwaitAPI(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	if err := Poll(ctx, 100*time.Millisecond, func() error { return answers(ctx, client) }); err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	return nil
}

// LoadImage gives an image to every node: an archive as docker save, podman save
// or buildah push docker-archive:… write it, or an OCI one. Pods that use it need
// an imagePullPolicy of IfNotPresent or Never: there is no registry.
func (c *Cluster) LoadImage(ctx context.Context, archive io.ReaderAt, size int64) error {
	return c.state.loadImage(ctx, func() io.Reader { return io.NewSectionReader(archive, 0, size) })
}

// loadImage loads an image into all nodes at once.
func (s *state) loadImage(ctx context.Context, archive func() io.Reader) error {
	errs := make([]error, nodeCount)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = s.importImage(ctx, nodeName(i+1), archive()) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *state) loadProgram(ctx context.Context, image, program string) error {
	var archive bytes.Buffer
	if err := writeImage(&archive, image, s.Programs[program]); err != nil {
		return err
	}
	return s.loadImage(ctx, func() io.Reader { return bytes.NewReader(archive.Bytes()) })
}

// component finds a program of a machine, whether it runs or not.
func (s *state) component(machine, name string) (*Component, error) {
	names := nodeComponents
	if machine == control {
		names = controlComponents
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("find %q on %s: it has %q", name, machine, names)
	}
	return &Component{
		name:    name,
		program: s.Programs[name],
		machine: s.Machines[machine],
		stopped: filepath.Join(Dir, machine, "stopped", name),
	}, nil
}
