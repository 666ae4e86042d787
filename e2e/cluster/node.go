package cluster

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"text/template"
)

//go:embed files
var files embed.FS

var templates = template.Must(template.ParseFS(files, "files/*"))

// pauseImage is what holds a Pod's namespaces.
const pauseImage = "localhost/k8s-await-election/pause:latest"

// newNode makes a node: containerd, kubelet and kube-proxy, with their files
// where any node has them.
func newNode(dir string, s *state, a *authority, number int) (*machine, error) {
	m, err := newMachine(dir, nodeName(number))
	if err != nil {
		return nil, err
	}
	if err := writeNodeFiles(m, s, a, number); err != nil {
		return nil, fmt.Errorf("make %s: %w", m.Name, err)
	}
	if err := m.share(dir); err != nil {
		return nil, err
	}
	m.Components = []component{
		{Name: "containerd", Command: []string{s.Programs["containerd"], "--config=/var/lib/containerd/config.toml"}},
		{Name: "kubelet", After: "/run/containerd/containerd.sock", Command: []string{
			s.Programs["kubelet"],
			"--config=/var/lib/kubelet/config.yaml",
			"--kubeconfig=/var/lib/kubelet/kubeconfig",
			"--hostname-override=" + m.Name,
			"--node-ip=" + families(s.IPv6, node4(number), node6(number)),
		}},
		{Name: "kube-proxy", Command: []string{s.Programs["kube-proxy"], "--config=/var/lib/kube-proxy/config.yaml"}},
	}
	return m, nil
}

func writeNodeFiles(m *machine, s *state, a *authority, number int) error {
	kubelet := filepath.Join(m.lib(), "kubelet")
	if err := a.kubeconfig(filepath.Join(kubelet, "kubeconfig"), "system:node:"+m.Name, "system:nodes"); err != nil {
		return err
	}
	server, err := a.server(m.Name, []netip.Addr{node4(number), node6(number)}, m.Name)
	if err != nil {
		return err
	}
	if err := writePair(filepath.Join(kubelet, "pki"), "server", server); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(kubelet, "pki", "ca.crt"), encodeCert(a.cert.Raw)); err != nil {
		return err
	}
	// No name server to ask: a cluster without a way out.
	if err := writeFile(filepath.Join(kubelet, "resolv.conf"), nil); err != nil {
		return err
	}
	for path, data := range map[string]any{
		"kubelet/config.yaml":    map[string]any{"Group": "/" + machineGroup(m.Name), "DNS": dns4},
		"containerd/config.toml": map[string]any{"Pause": pauseImage, "CNI": s.Programs["cni"]},
	} {
		if err := render(filepath.Join(m.lib(), path), filepath.Base(filepath.Dir(path))+filepath.Ext(path), data); err != nil {
			return err
		}
	}
	cni, err := cniConfig(s.IPv6, number)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(m.lib(), "cni/net.d/10-pods.conflist"), cni); err != nil {
		return err
	}
	return writeProxyFiles(m, s, a, m.Name)
}

func writeProxyFiles(m *machine, s *state, a *authority, node string) error {
	dir := filepath.Join(m.lib(), "kube-proxy")
	if err := a.kubeconfig(filepath.Join(dir, "kubeconfig"), "system:kube-proxy"); err != nil {
		return err
	}
	return render(filepath.Join(dir, "config.yaml"), "kube-proxy.yaml", map[string]any{
		"Node": node, "Pods": families(s.IPv6, pods4, pods6),
	})
}

// cniConfig connects each Pod by a cable of its own, so that all traffic of a
// Pod is routed: between Pods of one node too it meets kube-proxy's rules.
func cniConfig(ipv6 bool, number int) ([]byte, error) {
	type object = map[string]any
	ranges := []any{[]any{object{"subnet": nodePods4(number)}}}
	routes := []any{object{"dst": "0.0.0.0/0"}}
	if ipv6 {
		ranges = append(ranges, []any{object{"subnet": nodePods6(number)}})
		routes = append(routes, object{"dst": "::/0"})
	}
	return json.MarshalIndent(object{
		"cniVersion": "1.0.0",
		"name":       "pods",
		"plugins": []any{
			object{"type": "ptp", "ipam": object{"type": "host-local", "ranges": ranges, "routes": routes}},
			object{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
}

func render(path, name string, data any) error {
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, name, data); err != nil {
		return err
	}
	return writeFile(path, text.Bytes())
}
