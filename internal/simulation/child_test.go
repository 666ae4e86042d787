package simulation

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

// child is a command with all that it starts.
type child struct {
	p    *process
	life *life

	once   sync.Once
	exited chan struct{}

	// dying is how long it takes to be dead once it is killed, stopping to end
	// when it is asked to. Negative: for ever.
	dying, stopping time.Duration
	// byItself: it ends, has ended, without being asked to; w.mu covers it.
	byItself bool
	accused  bool
}

// Start implements gate.Spawner.
func (p *process) Start(extra []string, may func() bool) (gate.Process, error) {
	w := p.w
	dice := w.dice(p.name, "start")
	preparing := dice.below(20 * time.Millisecond)
	if dice.in(0.1) { // a slow disk
		preparing = dice.below(2 * p.lease)
		w.mu.Lock()
		over := p.troubled(false)
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			over()
		}()
	}
	if err := p.sleep(context.Background(), preparing); err != nil {
		return nil, err
	}
	if !may() {
		return nil, errors.New("too late")
	}
	token, err := strconv.ParseUint(strings.TrimPrefix(extra[0], gate.TokenVariable+"="), 10, 64)
	if err != nil {
		return nil, err
	}
	c := &child{p: p, exited: make(chan struct{}), dying: dice.below(p.promptly()), stopping: dice.below(p.lease / 2)}
	switch {
	case dice.in(0.05):
		c.dying = -1
	case dice.in(0.1):
		c.dying = dice.below(p.lease)
	}
	if dice.in(0.3) {
		c.stopping = -1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.ended {
		return nil, errKilled
	}
	p.child = c
	c.life = w.judge.begin(p.name, p, token)
	p.guard.rearm()
	if dice.in(0.5) {
		time.AfterFunc(dice.below(20*p.lease), c.leave)
	}
	return c, nil
}

// promptly is the longest time that a command may take to die where only one of
// gate and guard can kill it, and late.
func (p *process) promptly() time.Duration { return elector.KillMargin(p.lease) / 5 }

// stubborn: it does not die promptly.
func (c *child) stubborn() bool { return c.dying < 0 || c.dying > c.p.promptly() }

// leave ends the command by itself, though not what it has started.
func (c *child) leave() {
	if c.p.awake(context.Background()) != nil {
		return
	}
	c.p.w.mu.Lock()
	defer c.p.w.mu.Unlock()
	if c.life.alive {
		c.p.w.judge.look()
		c.byItself = true
		c.p.w.trace(c.p.name, "the command ends by itself")
		c.exit()
	}
}

func (c *child) exit() { c.once.Do(func() { close(c.exited) }) }

// die ends all of it. w.mu is held.
func (c *child) die(how string) {
	if c.life.alive {
		c.p.w.judge.end(c.life, how)
	}
	c.exit()
}

// accuse looks whether the child is stopped for no reason. w.mu is held.
func (c *child) accuse() {
	if !c.byItself && !c.p.stopping && !c.p.ended && !c.accused {
		c.accused = true
		c.p.w.judge.deposed(c.p)
	}
}

// PID implements gate.Process.
func (c *child) PID() int { return 1 }

// Exited implements gate.Process.
func (c *child) Exited() <-chan struct{} { return c.exited }

// Status implements gate.Process.
func (c *child) Status() int { return 0 }

// Err implements gate.Process.
func (c *child) Err() error { return nil }

// Signal implements gate.Process.
func (c *child) Signal(sig syscall.Signal) error {
	if c.p.awake(context.Background()) != nil || sig == syscall.SIGUSR1 {
		return nil
	}
	c.p.w.mu.Lock()
	defer c.p.w.mu.Unlock()
	c.accuse()
	c.p.w.trace(c.p.name, "asks the command to stop")
	if c.stopping >= 0 {
		time.AfterFunc(c.stopping, func() {
			if c.p.awake(context.Background()) == nil {
				c.exit()
			}
		})
	}
	return nil
}

// Sweep implements gate.Process.
func (c *child) Sweep(ctx context.Context) error {
	if err := c.p.awake(ctx); err != nil {
		return err
	}
	w := c.p.w
	w.mu.Lock()
	select {
	case <-c.exited:
	default:
		c.accuse()
	}
	w.trace(c.p.name, "kills the command")
	alive := c.life.alive
	w.mu.Unlock()
	var err error
	switch {
	case !alive:
	case c.dying < 0:
		err = c.p.silence(ctx)
	default:
		err = c.p.sleep(ctx, c.dying)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && c.life.alive {
		return err
	}
	c.die("is dead")
	return nil
}
