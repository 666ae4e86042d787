package scenarios

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// recordsRoot is the directory of every node that reader.yaml mounts.
const recordsRoot = "/var/lib/k8s-await-election-records"

// recorderFolder holds the files that a user has for the recorder.
var recorderFolder = filepath.Join("..", "..", "examples", "recorder")

// startReaders starts the recorder's reader on every node, in a namespace of its
// own: it must stay while the scenarios come and go, and may do what a restricted
// namespace forbids.
func (e *environment) startReaders(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(recorderFolder, "reader.yaml"))
	if err != nil {
		return err
	}
	var readers appsv1.DaemonSet
	if err := yaml.UnmarshalStrict(text, &readers); err != nil {
		return fmt.Errorf("read reader.yaml: %w", err)
	}
	ns, err := e.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "scenarios-readers-",
	}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	e.readers = ns.Name
	if _, err := e.client.AppsV1().DaemonSets(ns.Name).Create(ctx, &readers, metav1.CreateOptions{}); err != nil {
		return errors.Join(err, e.removeReaders(context.WithoutCancel(ctx)))
	}
	err = cluster.Poll(ctx, pollPause, func() error {
		now, err := e.client.AppsV1().DaemonSets(ns.Name).Get(ctx, readers.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if want, ready := now.Status.DesiredNumberScheduled, now.Status.NumberReady; want == 0 || ready < want {
			return fmt.Errorf("%d of %d readers are ready; is the image of examples/recorder on every node?", ready, want)
		}
		e.nodes = int(now.Status.DesiredNumberScheduled)
		return nil
	})
	if err != nil {
		return errors.Join(err, e.removeReaders(context.WithoutCancel(ctx)))
	}
	return nil
}

func (e *environment) removeReaders(ctx context.Context) error {
	return e.client.CoreV1().Namespaces().Delete(ctx, e.readers, metav1.DeleteOptions{})
}

// reader is the reader's Pod of one node.
type reader struct {
	node, pod string
}

// everyReader lists them, one for each node: without those of one node nothing is
// proven. They are looked up each time: a scenario may have cost a node its Pods.
func (e *environment) everyReader(ctx context.Context) ([]reader, error) {
	pods, err := e.client.CoreV1().Pods(e.readers).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var all []reader
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			all = append(all, reader{node: pod.Spec.NodeName, pod: pod.Name})
		}
	}
	if len(all) < e.nodes {
		return nil, fmt.Errorf("only %d of %d nodes have a reader", len(all), e.nodes)
	}
	return all, nil
}

// request starts a request to the reader.
func (e *environment) request(r reader, method, path string) *rest.Request {
	return e.viaPod(method, e.readers, r.pod, "8080", path)
}

// viaPod starts a request to a Pod's port, by way of the API server, so that it
// works wherever the tests run.
func (e *environment) viaPod(method, namespace, pod, port, path string) *rest.Request {
	return e.client.CoreV1().RESTClient().Verb(method).Namespace(namespace).Resource("pods").
		Name(pod + ":" + port).SubResource("proxy").Suffix(path)
}

// askFrom is what a Pod of the reader's node is answered at the URL.
func (e *environment) askFrom(ctx context.Context, r reader, url string) (string, error) {
	text, err := e.request(r, http.MethodGet, "ask").Param("url", url).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("ask %s from %s: %w (%s)", url, r.node, err, bytes.TrimSpace(text))
	}
	return string(text), nil
}
