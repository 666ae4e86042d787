package scenarios

import (
	"context"
	"os"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// takeCluster keeps other runs from the cluster of make cluster until release: one
// may freeze a node under the other. What keeps the cluster from answering, left by a
// run that was killed, is mended. Of another cluster it takes nothing, as nodes are not hurt there.
func takeCluster(ctx context.Context) (release func(), err error) {
	own, err := cluster.Attach()
	if given := os.Getenv("KUBECONFIG"); err != nil || (given != "" && given != own.Kubeconfig) {
		return func() {}, nil // connect tells why there is no cluster
	}
	reserved, err := own.Reserve(ctx, os.Stdout)
	if err != nil {
		return nil, err
	}
	if err := undoFaults(ctx, own); err != nil {
		reserved.Release()
		return nil, err
	}
	return reserved.Release, nil
}
