package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// Addresses of the cluster. They are private ones that are seldom in use; the
// start is refused where they are.
var (
	network4 = netip.MustParsePrefix("10.237.0.0/18")
	network6 = netip.MustParsePrefix("fd9c:53b1:6a27::/48")

	control4, control6 = netip.MustParseAddr("10.237.0.1"), netip.MustParseAddr("fd9c:53b1:6a27::1")
	host4, host6       = netip.MustParseAddr("10.237.0.254"), netip.MustParseAddr("fd9c:53b1:6a27::fe")

	pods4, pods6         = netip.MustParsePrefix("10.237.16.0/20"), netip.MustParsePrefix("fd9c:53b1:6a27:1000::/52")
	services4, services6 = netip.MustParsePrefix("10.237.32.0/20"), netip.MustParsePrefix("fd9c:53b1:6a27:2000::/112")

	// The API server's own Service has the first address of the range. By custom
	// the name server has the tenth.
	kubernetes4, kubernetes6 = services4.Addr().Next(), services6.Addr().Next()
	dns4                     = netip.MustParseAddr("10.237.32.10")
)

// hostLink is the host's end of its cable into the cluster, the only thing that
// is made in the host's network.
const hostLink = "k8s-await-host"

const apiPort = "6443"

func node4(number int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("10.237.0.%d", 10+number))
}

func node6(number int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd9c:53b1:6a27::1%d", number))
}

func nodePods4(number int) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf("10.237.%d.0/24", 16+number))
}

func nodePods6(number int) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf("fd9c:53b1:6a27:100%d::/64", number))
}

// families joins an IPv4 text and, on a cluster with both families, an IPv6 one,
// as most flags of Kubernetes take them.
func families[T fmt.Stringer](ipv6 bool, v4, v6 T) string {
	if ipv6 {
		return v4.String() + "," + v6.String()
	}
	return v4.String()
}

// hasIPv6 tells whether new network namespaces can have IPv6.
func hasIPv6() bool {
	text, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	return err == nil && strings.TrimSpace(string(text)) == "0"
}

// wire connects the machines, of which all live and none has begun: the nodes
// and the host hang on a bridge in the network of `control`, so that no packet
// filter of the host is on their way.
func wire(ctx context.Context, s *state) error {
	if err := ip(ctx, nil, hostCables(s)); err != nil {
		return fmt.Errorf("connect the host: %w", err)
	}
	if err := ip(ctx, s.enter(control, "--net"), controlCables(s)); err != nil {
		return fmt.Errorf("connect %s: %w", control, err)
	}
	for number := 1; number <= nodeCount; number++ {
		if err := ip(ctx, s.enter(nodeName(number), "--net"), nodeCables(s, number)); err != nil {
			return fmt.Errorf("connect %s: %w", nodeName(number), err)
		}
	}
	return ip(ctx, nil, hostRoutes(s))
}

func hostCables(s *state) batch {
	var b batch
	b.add("link add %s type veth peer name host netns %d", hostLink, s.Machines[control].PID)
	b.address(s.IPv6, hostLink, host4, host6)
	b.add("link set %s up", hostLink)
	return b
}

// hostRoutes lead to Services by way of `control`, whose kube-proxy knows where
// they are, and to Pods by way of their nodes.
func hostRoutes(s *state) batch {
	var b batch
	b.route(s.IPv6, services4, services6, control4, control6)
	for number := 1; number <= nodeCount; number++ {
		b.route(s.IPv6, nodePods4(number), nodePods6(number), node4(number), node6(number))
	}
	return b
}

func controlCables(s *state) batch {
	var b batch
	b.add("link set lo up")
	// Without snooping: it loses the first neighbour solicitations of IPv6.
	b.add("link add nodes type bridge mcast_snooping 0")
	b.address(s.IPv6, "nodes", control4, control6)
	b.add("link set nodes up")
	b.add("link set host master nodes up")
	for number := 1; number <= nodeCount; number++ {
		b.add("link add %[1]s type veth peer name eth0 netns %[2]d", nodeName(number), s.Machines[nodeName(number)].PID)
		b.add("link set %s master nodes up", nodeName(number))
		b.route(s.IPv6, nodePods4(number), nodePods6(number), node4(number), node6(number))
	}
	return b
}

func nodeCables(s *state, number int) batch {
	var b batch
	b.add("link set lo up")
	b.address(s.IPv6, "eth0", node4(number), node6(number))
	b.add("link set eth0 up")
	b.add("route add default via %s", control4)
	if s.IPv6 {
		b.add("route add default via %s", control6)
	}
	for other := 1; other <= nodeCount; other++ {
		if other != number {
			b.route(s.IPv6, nodePods4(other), nodePods6(other), node4(other), node6(other))
		}
	}
	return b
}

// batch is a list of commands of ip(8).
type batch []string

func (b *batch) add(format string, args ...any) { *b = append(*b, fmt.Sprintf(format, args...)) }

func (b *batch) address(ipv6 bool, link string, v4, v6 netip.Addr) {
	b.add("address add %s/24 dev %s", v4, link)
	if ipv6 {
		b.add("address add %s/64 dev %s nodad", v6, link) // nobody else has it: no second to find that out
	}
}

func (b *batch) route(ipv6 bool, to4, to6 netip.Prefix, via4, via6 netip.Addr) {
	b.add("route add %s via %s", to4, via4)
	if ipv6 {
		b.add("route add %s via %s", to6, via6)
	}
}

// ip runs the commands, behind a prefix that leads into a machine.
func ip(ctx context.Context, prefix []string, b batch) error {
	return runInput(ctx, strings.NewReader(strings.Join(b, "\n")+"\n"), append(prefix, "ip", "-batch", "-")...)
}
