package scenarios

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// environment is the cluster with what all scenarios share in it.
type environment struct {
	config *rest.Config
	client kubernetes.Interface
	// kubectl is the program.
	kubectl string
	// host is the cluster as its host sees it; nil where that is not this machine.
	host *cluster.Cluster
	// interrupted ends when the run is to end early.
	interrupted context.Context
	// readers is the namespace of the readers.
	readers string
	// nodes is how many nodes have one.
	nodes int
	// bootID is that of the kernel that all nodes share.
	bootID string

	mu sync.Mutex
	// folders are directories on the nodes that have to go.
	folders []string
}

// connect finds the cluster. Afterwards KUBECONFIG names it, for Helm and kubectl.
func connect(ctx context.Context) (*environment, error) {
	e := &environment{kubectl: "kubectl"}
	given := os.Getenv("KUBECONFIG")
	own, err := cluster.Attach()
	switch {
	case err == nil && (given == "" || given == own.Kubeconfig):
		e.host, e.kubectl = own, own.Kubectl
		if err := os.Setenv("KUBECONFIG", own.Kubeconfig); err != nil {
			return nil, err
		}
	case given == "":
		return nil, fmt.Errorf("KUBECONFIG is not set, and %w", err)
	}
	e.config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, err
	}
	e.config.QPS = -1                                   // the server knows best what is too much
	e.config.WarningHandler = rest.NoWarnings{}         // Endpoints are old, we know
	e.config.UserAgent = "k8s-await-election-scenarios" // for who reads the server's log
	if e.client, err = kubernetes.NewForConfig(e.config); err != nil {
		return nil, err
	}
	nodes, err := e.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, node := range nodes.Items {
		if e.bootID != "" && e.bootID != node.Status.NodeInfo.BootID {
			return nil, errors.New("the nodes are of several kernels, so their clocks cannot be compared: use make cluster, or kind")
		}
		e.bootID = node.Status.NodeInfo.BootID
	}
	return e, nil
}

// imageAnnotation, with an image's name behind it, is on nodes that have been
// given the archive of that digest.
const imageAnnotation = "e2e.k8s-await-election/image-"

// loadImages gives the images to the nodes of our own cluster, each content once;
// elsewhere they have to be there.
func (e *environment) loadImages(ctx context.Context, folder string) error {
	if e.host == nil {
		return nil
	}
	for _, name := range []string{"gate", "recorder", "redis", "nginx", "curl"} {
		if err := e.loadImage(ctx, name, filepath.Join(folder, name+".tar")); err != nil {
			return fmt.Errorf("load the image %s: %w", name, err)
		}
	}
	return nil
}

func (e *environment) loadImage(ctx context.Context, name, path string) error {
	archive, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w; run make build && e2e/images/build bin/images", err)
	}
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	digest := sha256.New()
	size, err := io.Copy(digest, archive)
	if err != nil {
		return err
	}
	key, value := imageAnnotation+name, fmt.Sprintf("%x", digest.Sum(nil))
	nodes, err := e.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return n.Annotations[key] != value }) {
		return nil
	}
	if err := e.host.LoadImage(ctx, archive, size); err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{key: value}}})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if _, err := e.client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// leave removes what the scenarios have shared, once their namespaces are gone.
func (e *environment) leave(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := cluster.Poll(patient, pollPause, func() error {
		left, err := e.client.CoreV1().Namespaces().List(patient, metav1.ListOptions{LabelSelector: ofThisRun()})
		if err != nil {
			return err
		}
		var names []string
		for _, ns := range left.Items {
			names = append(names, ns.Name)
		}
		if len(names) > 0 {
			return fmt.Errorf("namespaces are still there: %s", strings.Join(names, ", "))
		}
		return nil
	})
	soon, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return errors.Join(err, e.removeFolders(soon), e.removeReaders(soon))
}

// needCluster skips what needs a cluster.
func needCluster(t *testing.T) {
	t.Helper()
	if site == nil {
		t.Skip("needs a cluster: run make e2e")
	}
}

// needHost skips what needs the host of our own cluster.
func needHost(t *testing.T) *cluster.Cluster {
	t.Helper()
	needCluster(t)
	if site.host == nil {
		t.Skip("needs the host of the cluster that make cluster brings up; this one is another")
	}
	return site.host
}
