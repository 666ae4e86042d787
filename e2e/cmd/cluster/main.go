// Command cluster brings up a real Kubernetes cluster on this machine, hurts it,
// and takes it down again; see e2e/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

const usage = `usage: cluster COMMAND

  check              tell what this machine lacks
  up DIR…            bring the cluster up; the programs it runs are in DIR…
  down               take it down, once nobody uses it; nothing is left
  load FILE          give an image (docker or OCI archive) to every node

  freeze NODE        stop everything on node-1 or node-2; thaw NODE
  cut NODE           pull the node's network cable; mend NODE
  cut-api NODE       drop packets between the node and the API server; mend-api NODE
  pause COMPONENT    SIGSTOP to kube-apiserver, etcd, kube-scheduler, …; resume COMPONENT
  kill COMPONENT     SIGKILL, and keep it away; start COMPONENT
                     NODE/COMPONENT is one of a node: containerd, kubelet, kube-proxy
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	var wrong usageError
	switch {
	case errors.As(err, &wrong):
		fmt.Fprint(os.Stderr, "cluster: ", err, "\n", usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// usageError is a mistake in the arguments.
type usageError string

func (e usageError) Error() string { return string(e) }

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usageError("no command")
	}
	command, args := args[0], args[1:]
	switch command {
	case "up":
		return up(ctx, args)
	case "check":
		return cluster.Check()
	case "down":
		return down(ctx)
	}
	if len(args) != 1 {
		return usageError(command + " takes one argument")
	}
	if command == cluster.MachineCommand {
		return cluster.RunMachine(args[0])
	}
	return onCluster(ctx, command, args[0])
}

func up(ctx context.Context, path []string) error {
	c, err := cluster.Up(ctx, cluster.Options{Path: path, Progress: os.Stdout})
	if errors.Is(err, cluster.ErrRunning) {
		if !c.IsOf(path) {
			return fmt.Errorf("the cluster that runs is of Kubernetes %s, and another version was asked for: run make cluster-down first", c.Kubernetes)
		}
		fmt.Printf("Kubernetes %s runs already.\n", c.Kubernetes)
	} else if err != nil {
		return err
	}
	fmt.Printf("\nexport KUBECONFIG=%s\nexport PATH=%s:$PATH   # kubectl\n", c.Kubeconfig, filepath.Dir(c.Kubectl))
	return nil
}

func down(ctx context.Context) error {
	if err := cluster.Down(ctx, os.Stdout); err != nil {
		return err
	}
	fmt.Println("No cluster runs any more.")
	return nil
}

// onCluster is what a running cluster is needed for.
func onCluster(ctx context.Context, command, argument string) error {
	action, known := map[string]func(context.Context, *cluster.Cluster, string) error{
		"load":     load,
		"freeze":   onNode((*cluster.Node).Freeze),
		"thaw":     onNode(func(n *cluster.Node, _ context.Context) error { return n.Thaw() }),
		"cut":      onNode((*cluster.Node).Cut),
		"mend":     onNode((*cluster.Node).Mend),
		"cut-api":  onNode((*cluster.Node).CutAPI),
		"mend-api": onNode((*cluster.Node).MendAPI),
		"pause":    onComponent(func(c *cluster.Component, _ context.Context) error { return c.Pause() }),
		"resume":   onComponent(func(c *cluster.Component, _ context.Context) error { return c.Resume() }),
		"kill":     onComponent((*cluster.Component).Kill),
		"start":    onComponent((*cluster.Component).Start),
	}[command]
	if !known {
		return usageError(fmt.Sprintf("there is no command %q", command))
	}
	c, err := cluster.Attach()
	if err != nil {
		return err
	}
	return action(ctx, c, argument)
}

func load(ctx context.Context, c *cluster.Cluster, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return c.LoadImage(ctx, file, info.Size())
}

func onNode(do func(*cluster.Node, context.Context) error) func(context.Context, *cluster.Cluster, string) error {
	return func(ctx context.Context, c *cluster.Cluster, name string) error {
		n, err := c.Node(name)
		if err != nil {
			return err
		}
		return do(n, ctx)
	}
}

func onComponent(do func(*cluster.Component, context.Context) error) func(context.Context, *cluster.Cluster, string) error {
	return func(ctx context.Context, c *cluster.Cluster, name string) error {
		find := c.Component
		if node, component, ok := strings.Cut(name, "/"); ok {
			n, err := c.Node(node)
			if err != nil {
				return err
			}
			find, name = n.Component, component
		}
		component, err := find(name)
		if err != nil {
			return err
		}
		return do(component, ctx)
	}
}
