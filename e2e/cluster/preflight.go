package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// packages are the Debian packages of the programs that are not built here.
var packages = []struct{ program, name string }{
	{"ip", "iproute2"},
	{"nsenter", "util-linux"},
	{"runc", "runc"},
	{"iptables", "iptables"},
	{"ip6tables", "iptables"},
	{"conntrack", "conntrack"},
}

// cniDirs are where distributions have the CNI plugins.
var cniDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// built are the programs that Up looks for in its path: components of
// Kubernetes and what they need, and the program that holds a Pod.
var built = []string{
	"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl",
	"etcd", "containerd", "ctr", "containerd-shim-runc-v2", "coredns", "pause",
}

// requireRoot is for everything that changes something.
func requireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root: run it with sudo, or use any cluster that KUBECONFIG names")
	}
	return nil
}

// Check tells what this machine lacks before anything is built for it.
func Check() error {
	if err := requireRoot(); err != nil {
		return err
	}
	_, err := findInstalled()
	return err
}

// findInstalled looks for what comes in packages, reports all that is missing at
// once, and returns the directory of the CNI plugins.
func findInstalled() (cni string, err error) {
	var install []string
	for _, p := range packages {
		if _, err := exec.LookPath(p.program); err != nil && !slices.Contains(install, p.name) {
			install = append(install, p.name)
		}
	}
	for _, dir := range cniDirs {
		if _, err := os.Stat(filepath.Join(dir, "ptp")); err == nil {
			cni = dir
		}
	}
	if cni == "" {
		install = append(install, "containernetworking-plugins")
	}
	if len(install) > 0 {
		return "", fmt.Errorf("a cluster needs programs that are not here: apt-get install --no-install-recommends %s", strings.Join(install, " "))
	}
	return cni, nil
}

// findPrograms looks for all that the cluster runs, and reports all that is
// missing at once.
func findPrograms(path []string) (map[string]string, error) {
	cni, err := findInstalled()
	if err != nil {
		return nil, err
	}
	programs := map[string]string{"cni": cni}
	var missing []string
	for _, name := range built {
		file, found := lookup(name, path)
		if !found {
			missing = append(missing, name)
			continue
		}
		for _, own := range []string{"/var/lib/", "/var/log/", "/run/"} {
			if strings.HasPrefix(file, own) {
				return nil, fmt.Errorf("%s cannot be seen on a machine of the cluster, which has its own %s: keep it elsewhere", file, own)
			}
		}
		programs[name] = file
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("find %s: not in %s: run make cluster, which builds them", strings.Join(missing, ", "), strings.Join(path, ", "))
	}
	return programs, nil
}

// lookup finds the file itself: a component is known by it.
func lookup(name string, path []string) (file string, found bool) {
	for _, dir := range path {
		file, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if file, err = filepath.Abs(file); err == nil {
			return file, true
		}
	}
	return "", false
}

// environment is that of the components: nothing of the caller's, whose proxies
// would come between them.
func (s *state) environment() []string {
	dirs := []string{filepath.Dir(s.Programs["containerd-shim-runc-v2"]), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	return []string{"PATH=" + strings.Join(dirs, ":")}
}

// refuseTakenNetwork reports addresses of the host that the cluster would use.
func refuseTakenNetwork(ctx context.Context) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("look at the host's addresses: %w", err)
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("look at the host's addresses: %w", err)
		}
		for _, address := range addresses {
			if taken, err := netip.ParsePrefix(address.String()); err == nil && overlaps(taken) {
				return fmt.Errorf("the cluster's network overlaps with %s of %s: take that down, or use any cluster that KUBECONFIG names", taken, i.Name)
			}
		}
	}
	for _, family := range []string{"-4", "-6"} {
		routes, err := output(ctx, nil, "ip", family, "route", "show")
		if err != nil {
			return fmt.Errorf("look at the host's routes: %w", err)
		}
		for line := range strings.Lines(routes) {
			to, _, _ := strings.Cut(line, " ")
			if taken, err := netip.ParsePrefix(to); err == nil && overlaps(taken) {
				return fmt.Errorf("the cluster's network overlaps with the route %q: remove that, or use any cluster that KUBECONFIG names", strings.TrimSpace(line))
			}
		}
	}
	return nil
}

// overlaps ignores routes for more than half of all addresses, as a VPN has.
func overlaps(p netip.Prefix) bool {
	return p.Bits() > 1 && (p.Overlaps(network4) || p.Overlaps(network6))
}
