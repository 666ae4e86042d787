package cluster

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// dnsImage is CoreDNS, which gives Services and Pods their names.
const dnsImage = "localhost/k8s-await-election/coredns:latest"

// startNames starts the name server and returns when it serves on every node: the
// first Pods that run on the cluster.
func (b *bringUp) startNames(ctx context.Context) error {
	b.waitsFor = filepath.Join(nodeName(1), "kubelet.log")
	var manifest bytes.Buffer
	if err := templates.ExecuteTemplate(&manifest, "coredns.yaml", map[string]any{"Image": dnsImage, "DNS": dns4}); err != nil {
		return fmt.Errorf("start the name server: %w", err)
	}
	err := runInput(ctx, &manifest, b.state.Programs["kubectl"], "--kubeconfig="+kubeconfig(b.dir),
		"--namespace="+metav1.NamespaceSystem, "apply", "--server-side", "--filename=-")
	if err != nil {
		return fmt.Errorf("start the name server: %w", err)
	}
	err = Poll(ctx, 200*time.Millisecond, func() error {
		d, err := b.client.AppsV1().DaemonSets(metav1.NamespaceSystem).Get(ctx, "coredns", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if d.Status.NumberReady < nodeCount {
			return fmt.Errorf("%d of %d Pods are ready", d.Status.NumberReady, nodeCount)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the name server: %w", err)
	}
	b.say("the name server is ready")
	return nil
}
