package cluster

import (
	"net/netip"
	"testing"
)

func TestNetwork_HasAPlaceForEverythingOnce(t *testing.T) {
	t.Parallel()
	single := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
	apart := []netip.Prefix{
		single(control4), single(control6), single(host4), single(host6), services4, services6,
	}
	for number := 1; number <= nodeCount; number++ {
		apart = append(apart, single(node4(number)), single(node6(number)), nodePods4(number), nodePods6(number))
		if !pods4.Contains(nodePods4(number).Addr()) || !pods6.Contains(nodePods6(number).Addr()) {
			t.Errorf("the Pods of %s are not among the cluster's", nodeName(number))
		}
	}
	for i, a := range apart {
		if !network4.Overlaps(a) && !network6.Overlaps(a) {
			t.Errorf("%v is not in the network", a)
		}
		for _, b := range apart[:i] {
			if a.Overlaps(b) {
				t.Errorf("%v and %v overlap", a, b)
			}
		}
	}
	for _, a := range []netip.Addr{kubernetes4, kubernetes6, dns4} {
		if !services4.Contains(a) && !services6.Contains(a) {
			t.Errorf("%v is no address of a Service", a)
		}
	}
}

func TestNetwork_IsTakenByRoutesIntoItAndNotByDefaultRoutes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"10.237.5.0/24":         true,
		"10.0.0.0/8":            true,
		"fd9c:53b1:6a27:7::/64": true,
		"0.0.0.0/0":             false,
		"0.0.0.0/1":             false, // how a VPN covers the default route
		"::/0":                  false,
		"10.237.64.0/24":        false,
		"fd9c:53b1:6a28::/48":   false,
		"192.168.0.0/16":        false,
	} {
		if got := overlaps(netip.MustParsePrefix(text)); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
