package cluster

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// promptness bounds what the kernel does at once.
const promptness = 30 * time.Second

// Node is a node of the cluster, for those who want to hurt it. Each fault can
// be made again and undone again without an error.
type Node struct {
	// Name is that of the Node object.
	Name string

	state *state
}

// Component finds a program of the node by its name: containerd, kubelet or
// kube-proxy.
func (n *Node) Component(name string) (*Component, error) { return n.state.component(n.Name, name) }

// Freeze stops everything on the node, as a virtual machine is paused: kubelet,
// containerd and all containers stand still, while clocks go on. The node's
// network stands, so connections to it are accepted, and not served.
func (n *Node) Freeze(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, promptness)
	defer cancel()
	return freeze(ctx, n.Name)
}

// Thaw lets a frozen node go on.
func (n *Node) Thaw() error { return thaw(n.Name) }

// Cut pulls the node's network cable.
func (n *Node) Cut(ctx context.Context) error {
	return n.cable(ctx, "down")
}

// Mend plugs the cable in again.
func (n *Node) Mend(ctx context.Context) error {
	return n.cable(ctx, "up")
}

// cable acts on the other end: the node keeps its addresses and routes.
func (n *Node) cable(ctx context.Context, state string) error {
	if err := run(ctx, append(n.state.enter(control, "--net"), "ip", "link", "set", n.Name, state)...); err != nil {
		return fmt.Errorf("set the cable of %s %s: %w", n.Name, state, err)
	}
	return nil
}

// cutChain holds the rules of CutAPI, in a table that kube-proxy leaves alone.
// They see the API server's own address: that of its Service is translated
// before on the way out, and after on the way in.
const cutChain = "CUT-API"

// CutAPI drops all packets between the node, with its Pods, and the API server.
// Everything else goes on.
func (n *Node) CutAPI(ctx context.Context) error {
	if err := n.MendAPI(ctx); err != nil {
		return err
	}
	for _, tool := range n.packetFilters() {
		for _, rule := range []string{
			"-N " + cutChain,
			"-A " + cutChain + " -p tcp --dport " + apiPort + " -d " + tool.api + " -j DROP",
			"-A " + cutChain + " -p tcp --sport " + apiPort + " -s " + tool.api + " -j DROP",
			"-I POSTROUTING -j " + cutChain,
			"-I PREROUTING -j " + cutChain,
		} {
			if err := n.filter(ctx, tool.name, rule); err != nil {
				return fmt.Errorf("cut %s off from the API server: %w", n.Name, err)
			}
		}
	}
	return nil
}

// MendAPI ends CutAPI.
func (n *Node) MendAPI(ctx context.Context) error {
	for _, tool := range n.packetFilters() {
		for _, hook := range []string{"POSTROUTING", "PREROUTING"} {
			if n.filter(ctx, tool.name, "-C "+hook+" -j "+cutChain) != nil {
				continue // there is no such rule
			}
			if err := n.filter(ctx, tool.name, "-D "+hook+" -j "+cutChain); err != nil {
				return fmt.Errorf("connect %s with the API server: %w", n.Name, err)
			}
		}
		if n.filter(ctx, tool.name, "-S "+cutChain) != nil {
			continue // there is no such chain
		}
		for _, rule := range []string{"-F " + cutChain, "-X " + cutChain} {
			if err := n.filter(ctx, tool.name, rule); err != nil {
				return fmt.Errorf("connect %s with the API server: %w", n.Name, err)
			}
		}
	}
	return nil
}

// packetFilters are the tools for each family, with the API server's address.
func (n *Node) packetFilters() []struct{ name, api string } {
	tools := []struct{ name, api string }{{"iptables", control4.String()}}
	if n.state.IPv6 {
		tools = append(tools, struct{ name, api string }{"ip6tables", control6.String()})
	}
	return tools
}

func (n *Node) filter(ctx context.Context, tool, rule string) error {
	// The node's /run too, where the tools keep their lock.
	command := append(n.state.enter(n.Name, "--net", "--mount"), tool, "--wait", "--table=mangle")
	return run(ctx, append(command, strings.Fields(rule)...)...)
}

// Processes are the processes of a container, with their ids as the host sees
// them, so that they can be hurt from there. The id is that of the Pod's status,
// with or without containerd://.
func (n *Node) Processes(containerID string) ([]int, error) {
	id := strings.TrimPrefix(containerID, "containerd://")
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if !h.version2 && !h.has("pids") {
			continue
		}
		if group := findGroup(filepath.Join(h.path, machineGroup(n.Name)), id); group != "" {
			return groupProcesses(group)
		}
	}
	return nil, fmt.Errorf("find the processes of container %q on %s: it has no control group: it does not run there", id, n.Name)
}

func findGroup(root, id string) string {
	var found string
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == id {
			found = path
			return fs.SkipAll
		}
		return nil // groups come and go meanwhile
	})
	return found
}

func groupProcesses(group string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("list the processes of a container: %w", err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("list the processes of a container: %w", err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
