package simulation

import (
	"context"

	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// traffic is the readiness of a process's command, and where clients are led.
type traffic struct{ p *process }

// Watch implements gate.Readiness.
func (t *traffic) Watch(ctx context.Context, changed func(bool)) {
	for ready := true; ; ready = !ready {
		if t.p.awake(ctx) != nil {
			return
		}
		changed(ready)
		if electortest.Sleep(ctx, t.p.w.dice(t.p.name, "readiness").below(4*t.p.lease)) != nil {
			return
		}
	}
}

// Prepare implements gate.Publisher.
func (t *traffic) Prepare(ctx context.Context) {
	_ = t.p.sleep(ctx, t.p.w.dice(t.p.name, "preparing").below(t.p.distance))
}

// Publish implements gate.Publisher.
func (t *traffic) Publish(ctx context.Context) {
	w := t.p.w
	w.mu.Lock()
	t.p.publishing = true
	lingering := w.dice(t.p.name, "publisher").below(t.p.distance)
	w.mu.Unlock()
	<-ctx.Done()
	_ = t.p.sleep(context.Background(), lingering)
	w.mu.Lock()
	defer w.mu.Unlock()
	t.p.publishing = false
}

// Empty implements gate.Publisher. At times nothing answers; at times it is a label.
func (t *traffic) Empty(ctx context.Context, followed bool) error {
	if followed && t.p.w.dice(t.p.name, "a label").in(0.5) {
		return nil
	}
	d := t.p.w.dice(t.p.name, "emptying")
	if d.in(0.1) {
		return t.p.silence(ctx)
	}
	return t.p.sleep(ctx, d.below(t.p.distance))
}
