package simulation

import (
	"math"
	"time"
)

// guard kills the command in the gate's place, as internal/guard does: by the
// deadline that it was told last, on the holder's clock, also while the gate
// stands still.
type guard struct {
	p        *process
	deadline time.Duration // zero: not told yet
	alarm    *time.Timer
}

// arm is elector.Config.Deadline.
func (g *guard) arm(deadline time.Duration) {
	g.p.w.mu.Lock()
	defer g.p.w.mu.Unlock()
	g.deadline = deadline
	g.rearm()
}

// rearm is called with w.mu held, also when a command has been started.
func (g *guard) rearm() {
	if g.alarm != nil {
		g.alarm.Stop()
	}
	c := g.p.child
	if g.deadline == 0 || g.p.ended || c == nil || !c.life.alive || g.p.frozen.Load() {
		return
	}
	left := math.Ceil(float64(g.deadline-g.p.holder.Now()) / g.p.holder.rate)
	// A little late, so that a gate that runs is the one that kills.
	late := time.Microsecond + g.p.w.dice(g.p.name, "guard").below(time.Millisecond) + g.p.lateness()
	g.alarm = time.AfterFunc(time.Duration(max(0, left))+late, func() { g.fire(c) })
}

func (g *guard) fire(c *child) {
	w := g.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case g.p.ended || !c.life.alive || c.dying < 0 || g.p.frozen.Load():
		return
	case g.p.holder.Now() < g.deadline:
		g.rearm()
		return
	}
	c.accuse()
	w.trace(g.p.name, "its guard kills the command")
	time.AfterFunc(c.dying, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !g.p.frozen.Load() {
			c.die("is dead")
		}
	})
}
