package elector

import (
	"context"
	"testing"
	"time"
)

// Nothing that a server does may make a process run in circles.
func TestElector_NeitherSpinsNorFloodsUnderAnyFailure(t *testing.T) {
	t.Parallel()
	const window = time.Minute
	all := []string{"read", "watch", "create", "acquire", "renew", "release", "claim"}
	for kindName, kinds := range map[string][]string{
		"everything": all, "writes": {"create", "acquire", "renew", "release", "claim"}, "reads": {"read"}, "watches": {"watch"},
		"reads and watches": {"read", "watch"}, "claims": {"claim"}, "all but reads": {"watch", "create", "acquire", "renew", "release", "claim"},
	} {
		for faultName, f := range map[string]fault{
			"silence":       {Drop: true},
			"lost answers":  {Lose: true},
			"errors":        {Refuse: errServer},
			"forbidden":     {Refuse: ErrForbidden},
			"told to wait":  {Refuse: &wrapped{"put", refusal{5 * time.Second}}},
			"conflicts":     {Refuse: ErrConflict},
			"no change":     {Idle: true},
			"slow":          {Slow: 3 * time.Second},
			"slow failures": {Slow: 3 * time.Second, Refuse: errServer},
		} {
			for roleName, role := range map[string]func(*world, *node){
				"a candidate for an absent lock": func(w *world, a *node) { a.campaign() },
				"a candidate for a held lock":    func(w *world, a *node) { w.server.put(heldBy(process("b/0"), "b", lease)); a.campaign() },
				"a candidate for a dead holder": func(w *world, a *node) {
					w.server.put(heldBy(process("b/0"), "b", 2*time.Second))
					a.campaign()
				},
				"a holder": func(w *world, a *node) { a.campaign().elected(blink) },
			} {
				t.Run(kindName+" "+faultName+" "+roleName, func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T, w *world) {
						a := w.node("a")
						if roleName != "a holder" {
							a.client.on(always(f, kinds...))
						}
						role(w, a)
						a.client.on(always(f, kinds...))
						requests, rounds := len(w.server.of("a")), a.boot.Resets()+a.monotonic.Resets()
						w.after(window)
						requests, rounds = len(w.server.of("a"))-requests, a.boot.Resets()+a.monotonic.Resets()-rounds
						// A watch, a read and a write every RetryPeriod, each tried
						// twice, and some to begin with.
						if most := 6*int(window/retry) + 20; requests > most {
							t.Errorf("%d requests in %v, want at most %d:\n%s", requests, window, most, w.server.story())
						}
						if rounds > 12*requests+6*int(window/retry)+20 {
							t.Errorf("%d rounds for %d requests", rounds, requests)
						}
					})
				})
			}
		}
	}
}

func TestElector_LeavesNoGoroutineAndNoTimerBehind(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, *node, *campaign){
		"released":  func(_ *world, _ *node, c *campaign) { _ = c.elected(blink).Release(context.Background()) },
		"abandoned": func(_ *world, _ *node, c *campaign) { c.elected(blink).Abandon() },
		"abandoned while a renewal is silent": func(w *world, a *node, c *campaign) {
			term := c.elected(blink)
			a.client.on(always(fault{Drop: true}))
			w.after(2*retry + blink)
			term.Abandon()
		},
		"expired": func(w *world, a *node, c *campaign) {
			term := c.elected(blink)
			a.client.on(always(fault{Lose: true}))
			<-term.Expired()
			term.Abandon()
		},
		"stopped": func(w *world, a *node, c *campaign) { c.stop(context.Canceled); <-c.done },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				c := a.campaign()
				end(w, a, c)
				a.quit()
				w.after(0)
				if boot, monotonic := a.boot.Timers(), a.monotonic.Timers(); boot+monotonic != 0 {
					t.Errorf("%d timers of the holder's clock and %d of the candidate's are left", boot, monotonic)
				}
				a.client.mu.Lock()
				defer a.client.mu.Unlock()
				for kind, n := range a.client.flying {
					if n != 0 {
						t.Errorf("%d %s requests are left", n, kind)
					}
				}
				// A goroutine that is left fails the bubble.
			})
		})
	}
}
