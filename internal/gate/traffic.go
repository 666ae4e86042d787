package gate

import (
	"context"
	"sync"
)

// traffic leads clients here while the command is ready.
type traffic struct {
	stop   context.CancelFunc
	ended  chan struct{}
	closed sync.Once
}

func (g *Gate) openTraffic(ctx context.Context, leads func() bool) *traffic {
	ctx, stop := context.WithCancel(ctx)
	t := &traffic{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		var preparing sync.WaitGroup
		defer preparing.Wait()
		if g.Publisher != nil {
			preparing.Go(func() { g.Publisher.Prepare(ctx) })
		}
		hold := func() {}
		g.Readiness.Watch(ctx, func(ready bool) {
			g.Logger.Info("readiness changed", "ready", ready)
			hold()
			hold = func() {}
			switch {
			case g.Publisher == nil || ctx.Err() != nil || !leads():
			case ready:
				hold = g.publish(ctx)
			default:
				g.empty(ctx, false)
			}
		})
		hold()
	}()
	return t
}

// publish keeps the destination right until the returned function has
// returned.
func (g *Gate) publish(ctx context.Context) (hold func()) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Publisher.Publish(ctx)
	}()
	return func() {
		stop()
		<-ended
	}
}

// close ends the publishing and leaves the destination as it is. It may be
// called more than once, from any goroutine.
func (t *traffic) close() {
	t.closed.Do(t.stop)
	<-t.ended
}
