package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
)

// apiURL is where the API server answers the host, the nodes and the Pods.
var apiURL = "https://" + net.JoinHostPort(control4.String(), apiPort)

// newControl makes the machine with the control plane. Its files are written
// where the machine will see them below /var/lib/kubernetes.
func newControl(dir string, s *state, a *authority) (*machine, error) {
	m, err := newMachine(dir, control)
	if err != nil {
		return nil, err
	}
	if err := writeControlFiles(m, s, a); err != nil {
		return nil, fmt.Errorf("make %s: %w", control, err)
	}
	m.Components = []component{
		{Name: "etcd", Command: []string{
			s.Programs["etcd"],
			"--data-dir=/var/lib/etcd",
			// No certificates: nobody else is on this loopback interface.
			"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster=default=http://127.0.0.1:2380",
		}},
		{Name: "kube-apiserver", Command: []string{
			s.Programs["kube-apiserver"],
			"--etcd-servers=http://127.0.0.1:2379",
			"--advertise-address=" + control4.String(),
			"--secure-port=" + apiPort,
			"--tls-cert-file=/var/lib/kubernetes/server.crt", "--tls-private-key-file=/var/lib/kubernetes/server.key",
			"--client-ca-file=/var/lib/kubernetes/ca.crt",
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true",
			"--service-cluster-ip-range=" + families(s.IPv6, services4, services6),
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=/var/lib/kubernetes/accounts.key",
			"--service-account-signing-key-file=/var/lib/kubernetes/accounts.key",
			"--kubelet-client-certificate=/var/lib/kubernetes/kubelet-client.crt",
			"--kubelet-client-key=/var/lib/kubernetes/kubelet-client.key",
			"--kubelet-certificate-authority=/var/lib/kubernetes/ca.crt",
			"--kubelet-preferred-address-types=InternalIP", // the nodes' names lead nowhere
		}},
		{Name: "kube-controller-manager", Command: []string{
			s.Programs["kube-controller-manager"],
			"--kubeconfig=/var/lib/kubernetes/controller-manager.kubeconfig",
			"--leader-elect=false", // it is alone, and is back at once after an end
			"--use-service-account-credentials=true",
			"--root-ca-file=/var/lib/kubernetes/ca.crt",
			"--service-account-private-key-file=/var/lib/kubernetes/accounts.key",
			"--cluster-signing-cert-file=/var/lib/kubernetes/ca.crt",
			"--cluster-signing-key-file=/var/lib/kubernetes/ca.key",
			"--service-cluster-ip-range=" + families(s.IPv6, services4, services6),
		}},
		{Name: "kube-scheduler", Command: []string{
			s.Programs["kube-scheduler"],
			"--kubeconfig=/var/lib/kubernetes/scheduler.kubeconfig",
			"--leader-elect=false",
		}},
		{Name: "kube-proxy", Command: []string{s.Programs["kube-proxy"], "--config=/var/lib/kube-proxy/config.yaml"}},
	}
	return m, nil
}

func writeControlFiles(m *machine, s *state, a *authority) error {
	dir := filepath.Join(m.lib(), "kubernetes")
	key, err := encodeKey(a.key)
	if err != nil {
		return err
	}
	if err := writePair(dir, "ca", pair{cert: encodeCert(a.cert.Raw), key: key}); err != nil {
		return err
	}
	accounts, err := newKey()
	if err != nil {
		return err
	}
	if key, err = encodeKey(accounts); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "accounts.key"), key); err != nil {
		return err
	}
	server, err := a.server("kube-apiserver",
		[]netip.Addr{control4, control6, kubernetes4, kubernetes6, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()},
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost")
	if err != nil {
		return err
	}
	if err := writePair(dir, "server", server); err != nil {
		return err
	}
	kubeletClient, err := a.client("kube-apiserver-kubelet-client", "system:masters")
	if err != nil {
		return err
	}
	if err := writePair(dir, "kubelet-client", kubeletClient); err != nil {
		return err
	}
	for name, user := range map[string]string{
		"controller-manager": "system:kube-controller-manager",
		"scheduler":          "system:kube-scheduler",
	} {
		if err := a.kubeconfig(filepath.Join(dir, name+".kubeconfig"), user); err != nil {
			return err
		}
	}
	// A kube-proxy waits half a minute for its Node, and `control` is none. Under
	// the name of a node it begins at once, and differs from one without a Node
	// only for Services that prefer endpoints on the client's node.
	return writeProxyFiles(m, s, a, nodeName(1))
}
