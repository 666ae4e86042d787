package app

import (
	"context"
	"log/slog"
	"sync"

	"github.com/k8s-await-election/k8s-await-election/internal/config"
	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/filelock"
	"github.com/k8s-await-election/k8s-await-election/internal/gate"
	"github.com/k8s-await-election/k8s-await-election/internal/kube"
)

// backend is where the election, the traffic and the Events are kept.
type backend struct {
	lock elector.Lock
	// publisher is nil where there is no Service.
	publisher gate.Publisher
	announcer gate.Announcer
	// run does what goes on in the background, until ctx ends.
	run func(ctx context.Context)
}

func openBackend(p Program, c *config.Config, texts *parsed, log *slog.Logger) (*backend, error) {
	b := &backend{announcer: silent{}, run: func(context.Context) {}}
	if c.LockType == config.File {
		lock, err := filelock.New(c.LockDir, c.LockNamespace, c.LockName)
		if err != nil {
			return nil, err
		}
		b.lock = lock
		return b, nil
	}
	kube.LogTo(log)
	client, err := kube.NewClient(kube.Options{
		Kubeconfig: c.Kubeconfig,
		Setting:    c.Key("KUBECONFIG"),
		UserAgent:  "k8s-await-election/" + p.Version,
	})
	if err != nil {
		return nil, err
	}
	switch c.LockType {
	case config.ConfigMaps:
		b.lock = client.ConfigMap(c.LockNamespace, c.LockName)
	case config.Endpoints:
		b.lock = client.Endpoints(c.LockNamespace, c.LockName)
	default:
		b.lock = client.Lease(c.LockNamespace, c.LockName)
	}
	pod := kube.Pod{Namespace: c.PodNamespace, Name: c.PodName, UID: c.PodUID}
	announcer := kube.NewAnnouncer(client, pod, log)
	b.announcer = announcer
	b.run = func(ctx context.Context) { _ = announcer.Run(ctx) }
	if c.ServiceName == "" && c.PodLabel == "" {
		return b, nil
	}
	publisher, err := kube.NewPublisher(client, kube.PublisherOptions{
		Namespace:  c.ServiceNamespace,
		Service:    c.ServiceName,
		Ports:      texts.ports,
		Addresses:  c.PodIPs,
		NodeName:   c.NodeName,
		Pod:        pod,
		Mode:       kube.PublishMode(c.ServicePublish),
		Label:      texts.podLabel,
		Lock:       b.lock.String(),
		PodGuessed: c.PodNameGuessed,
		Logger:     log,
	})
	if err != nil {
		return nil, err
	}
	b.publisher = publisher
	b.run = func(ctx context.Context) {
		var all sync.WaitGroup
		all.Go(func() { publisher.Run(ctx) })
		all.Go(func() { _ = announcer.Run(ctx) })
		all.Wait()
	}
	return b, nil
}

// silent announces nothing.
type silent struct{}

func (silent) Announce(string, string) {}
