package chaos

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
)

// answer leads all replicas to the proxy that answers for the API server.
func (h hit) answer() (end func() error, err error) {
	own, err := address(h.fleet.answers.Config())
	if err != nil {
		return nil, err
	}
	server, err := address(h.fleet.server.Config())
	if err != nil {
		return nil, err
	}
	lead := func(target string) {
		for _, p := range h.roads() {
			p.Redirect(target)
			p.Reset()
		}
	}
	lead(own)
	return func() error {
		lead(server)
		h.fleet.answers.Answer(nil)
		h.fleet.answers.Delay(0)
		return nil
	}, nil
}

func address(config *rest.Config) (string, error) {
	parsed, err := url.Parse(config.Host)
	if err != nil {
		return "", fmt.Errorf("address of the API server: %w", err)
	}
	return parsed.Host, nil
}

func slowly(h hit) (func() error, error) {
	h.fleet.answers.Delay(h.latency())
	return h.answer()
}

func refuses(code int, reason string) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		h.fleet.answers.Answer(func(*http.Request) http.Handler {
			if h.other && code == http.StatusTooManyRequests {
				return faultproxy.Status(code, reason, "chaos", "Retry-After", "1")
			}
			return faultproxy.Status(code, reason, "chaos")
		})
		return h.answer()
	}
}

func pauseAPIServer(h hit) (func() error, error) {
	return h.fleet.server.APIServer.Resume, h.fleet.server.APIServer.Pause()
}

func pauseEtcd(h hit) (func() error, error) {
	return h.fleet.server.Etcd.Resume, h.fleet.server.Etcd.Pause()
}

func (h hit) restart() error {
	ctx, cancel := context.WithTimeout(h.fleet.t.Context(), patience)
	defer cancel()
	return h.fleet.server.Restart(ctx)
}

// restartAPIServer lets it end watches for as long as the fault lasts, as a
// kubelet does.
func restartAPIServer(h hit) (func() error, error) {
	return func() error {
		_ = h.fleet.server.APIServer.Kill() // may have ended meanwhile
		return h.restart()
	}, h.fleet.server.APIServer.Terminate()
}

func killAPIServer(h hit) (func() error, error) {
	return h.restart, h.fleet.server.APIServer.Kill()
}

func rotateCertificate(h hit) (func() error, error) {
	return func() error {
		ctx, cancel := context.WithTimeout(h.fleet.t.Context(), patience)
		defer cancel()
		if err := h.fleet.server.RotateCertificate(ctx); err != nil {
			return err
		}
		// Who is connected would not notice.
		for _, p := range h.roads() {
			p.Reset()
		}
		return nil
	}, nil
}
