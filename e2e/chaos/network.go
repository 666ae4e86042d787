package chaos

import (
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
)

// roads are the ways of those who are hit.
func (h hit) roads() (proxies []*faultproxy.Proxy) {
	for _, r := range h.replicas {
		proxies = append(proxies, r.proxy)
	}
	return proxies
}

func reset(h hit) (func() error, error) {
	for _, p := range h.roads() {
		p.Reset()
	}
	return nil, nil
}

// overRoads does something to every way, and undoes it by Pass.
func overRoads(h hit, do func(*faultproxy.Proxy)) (func() error, error) {
	roads := h.roads()
	for _, p := range roads {
		do(p)
	}
	return func() error {
		for _, p := range roads {
			if h.other { // else what was held back arrives, late
				p.Reset()
			}
			p.Pass()
		}
		return nil
	}, nil
}

func blackHole(h hit) (func() error, error) { return overRoads(h, (*faultproxy.Proxy).BlackHole) }

func noAnswers(h hit) (func() error, error) { return overRoads(h, (*faultproxy.Proxy).HoldAnswers) }

func halfOpen(h hit) (func() error, error) {
	return overRoads(h, func(p *faultproxy.Proxy) { p.BlackHoleOpen() })
}

func refused(h hit) (func() error, error) {
	return overRoads(h, func(p *faultproxy.Proxy) { p.Refuse(); p.Reset() })
}
