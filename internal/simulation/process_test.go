package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

// pod is what the successive containers of one Pod have in common.
type pod struct {
	identity    string
	boot, uid   string
	netns       uint64
	init        bool
	wall        time.Duration
	rate        float64
	bootOrigin  time.Duration
	otherOrigin time.Duration
	lease       time.Duration
	deadline    time.Duration
	retry       time.Duration
	// old: it runs an older tool.
	old bool
	// distance is how long a request takes one way in fair weather, at most.
	distance time.Duration
}

// process is one gate in its container, from its start to its end. Fields after
// mu are covered by the world's mutex.
type process struct {
	pod
	w    *world
	name string

	holder, candidate *clock
	wallSteps         chan struct{}
	signals           chan os.Signal
	// died is closed at its end: of this process nothing comes any more.
	died chan struct{}
	kill context.CancelFunc
	// gone is closed when nothing of it is left.
	gone chan struct{}

	// standing: the gate does not run. frozen: nor do its command and its guard.
	standing atomic.Bool
	frozen   atomic.Bool
	starved  atomic.Bool

	// thawed is nil, or closed when the gate goes on; healed, when a cut ends.
	thawed, healed chan struct{}
	spells         [spells]int
	roughness      float64
	stream         *stream
	child          *child
	guard          *guard
	started        time.Duration
	// any counts what troubles the process in any way, writing what keeps its
	// reads and writes from being answered in time.
	any, writing trouble
	// hanging are the requests that are not answered well, bothHang what ends the
	// trouble of two at one time.
	hanging  int
	bothHang func()
	// stopping: it was asked to end. ended: it has, or was killed.
	stopping, ended bool
	// publishing: clients are led here.
	publishing bool
	// exclusive: it has bound the socket of its identity.
	exclusive bool
	// seen is the duration of the last holder's lease that it was told of; zero:
	// of none.
	seen time.Duration
	// waited is what seen was before it was told of its own lease.
	waited time.Duration
	// newest is the highest revision that it was told of.
	newest uint64
	// othersChanged is when anybody else last changed the record.
	othersChanged time.Duration
}

// trouble counts what is wrong at present, and knows until when anything was.
type trouble struct {
	now   int
	until time.Duration
}

// newProcess starts a process in a Pod. w.mu is held.
func (w *world) newProcess(of pod) *process {
	w.births++
	p := &process{
		pod: of, w: w, name: fmt.Sprintf("%s#%d", of.identity, w.births),
		wallSteps: make(chan struct{}, 1), signals: make(chan os.Signal, 4),
		died: make(chan struct{}), gone: make(chan struct{}), started: w.now(),
	}
	p.holder = &clock{p: p, rate: of.rate, offset: of.bootOrigin}
	p.candidate = &clock{p: p, rate: of.rate, offset: of.otherOrigin}
	p.guard = &guard{p: p}
	p.othersChanged = p.started
	p.exclusive = !slices.ContainsFunc(w.processes, func(other *process) bool {
		return other.exclusive && !other.ended && other.identity == p.identity && other.boot == p.boot && other.netns == p.netns
	})
	w.processes = append(w.processes, p)
	w.trace(p.name, "starts (lease %v, renew deadline %v, retry period %v, clock rate %.4f)", p.lease, p.deadline, p.retry, p.rate)
	return p
}

// run is the life of the process; it returns when nothing of it is left.
func (p *process) run() {
	defer close(p.gone)
	e, err := elector.New(elector.Config{
		Lock: p, Identity: p.identity,
		Instance: elector.Instance{
			Process: p.name, BootID: p.boot, NetNS: p.netns, PodUID: p.uid,
			Init: p.init, Exclusive: p.exclusive,
		},
		LeaseDuration: p.lease, RenewDeadline: p.deadline, RetryPeriod: p.retry,
		HolderClock: p.holder, CandidateClock: p.candidate, Deadline: p.guard.arm, WallSteps: p.wallSteps,
		Jitter: func() float64 { return p.w.dice(p.name, "jitter").float() },
		Logger: p.w.logger(p),
	})
	if err != nil {
		p.w.t.Error(err)
		return
	}
	dice := p.w.dice(p.name, "gate")
	traffic := &traffic{p}
	g := gate.New(gate.Config{
		Elector: e, Spawner: p, Readiness: traffic, Publisher: traffic, Announcer: silent{}, Observer: silent{},
		Signals:         p.signals,
		Terminates:      func(syscall.Signal) bool { return true },
		StopTimeout:     pick(dice, 0, p.lease/3, p.lease),
		StandByWhenLost: dice.in(0.5),
		Logger:          p.w.logger(p),
	})
	ctx, kill := context.WithCancel(context.Background())
	defer kill()
	var following sync.WaitGroup
	following.Go(func() { _ = e.Run(ctx) })
	_, err = g.Run(p.lifetime(ctx))
	kill()
	// What it left alive is ended by the kernel, with this process.
	_ = p.sleep(context.Background(), dice.below(20*time.Millisecond))
	p.w.mu.Lock()
	if p.child != nil && p.child.life.alive && !errors.Is(err, gate.ErrAlive) {
		p.w.judge.accuse("%s ends with a living command: %v", p.name, err)
	}
	p.end(fmt.Sprintf("ends: %v", err))
	p.w.mu.Unlock()
	following.Wait()
}

// lifetime ends with a kill, so that a killed process's goroutines end.
func (p *process) lifetime(ctx context.Context) context.Context {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	ctx, p.kill = context.WithCancel(ctx)
	if p.ended { // killed before it got here
		p.kill()
	}
	return ctx
}

// crash kills the process and, as it is PID 1, its child. w.mu is held.
func (p *process) crash() {
	if p.ended {
		return
	}
	p.end("is killed")
	p.unfreeze()
	if p.kill != nil {
		p.kill()
	}
}

// end takes note that the process is no more. w.mu is held.
func (p *process) end(how string) {
	if p.ended {
		return
	}
	p.w.judge.look()
	p.ended = true
	close(p.died)
	p.w.trace(p.name, "%s", how)
	if p.child != nil {
		p.child.die("with its gate")
	}
}

// signal sends a signal: one that stops, or one for the command, which ends the
// gate where there is none. w.mu is held.
func (p *process) signal(sig syscall.Signal) {
	if p.ended {
		return
	}
	p.w.judge.look()
	if sig != syscall.SIGUSR1 || p.child == nil || !p.child.life.alive {
		p.stopping = true
	}
	p.w.trace(p.name, "gets signal %d (%v)", int(sig), sig)
	select {
	case p.signals <- sig:
	default:
	}
}

// freeze stops all of the container, as the cgroup freezer does: no timer fires,
// nothing arrives, the command does not run. w.mu is held.
func (p *process) freeze(how string) {
	if !p.halt(how) {
		return
	}
	p.frozen.Store(true)
	p.w.judge.vacant = p.w.now() // it leads no longer
}

// halt stops the gate alone, as SIGSTOP does. w.mu is held.
func (p *process) halt(how string) bool {
	if p.ended || p.thawed != nil {
		return false
	}
	p.w.judge.look()
	p.thawed = make(chan struct{})
	p.standing.Store(true)
	p.w.trace(p.name, "%s", how)
	return true
}

// unfreeze ends either. w.mu is held.
func (p *process) unfreeze() {
	if p.thawed == nil {
		return
	}
	p.standing.Store(false)
	if p.frozen.Swap(false) {
		p.w.trace(p.name, "goes on, thawed")
		p.w.judge.thaw(p)
	} else {
		p.w.trace(p.name, "goes on")
	}
	close(p.thawed)
	p.thawed = nil
	p.holder.rearm()
	p.candidate.rearm()
	p.guard.rearm()
}

// latest is how late a timer of a starved process may be.
const latest = 300 * time.Millisecond

// lateness is by how much the kernel is late to wake the process.
func (p *process) lateness() time.Duration {
	if !p.starved.Load() {
		return 0
	}
	return p.w.dice(p.name, "lateness").below(latest)
}

// errKilled is what everything answers in a killed process.
var errKilled = errors.New("killed")

// awake waits out a freeze.
func (p *process) awake(ctx context.Context) error {
	for {
		p.w.mu.Lock()
		thawed := p.thawed
		p.w.mu.Unlock()
		if thawed == nil {
			select {
			case <-p.died:
				return errKilled
			default:
				return ctx.Err()
			}
		}
		<-thawed // a kill thaws, too
	}
}

// sleep waits d, and until the process can notice.
func (p *process) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return p.awake(ctx)
	case <-ctx.Done():
		return p.givenUp(ctx)
	case <-p.died:
		return errKilled
	}
}

// silence waits until nobody asks any more.
func (p *process) silence(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return p.givenUp(ctx)
	case <-p.died:
		return errKilled
	}
}

// givenUp returns why ctx has ended, to a process that is not frozen.
func (p *process) givenUp(ctx context.Context) error {
	if err := p.awake(context.Background()); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// troubled takes note that something is wrong from now on, for writes and reads
// too or for the watch alone; the function returned, that it is over. w.mu is
// held at both.
func (p *process) troubled(writing bool) (over func()) {
	p.w.judge.look()
	p.any.now++
	if writing {
		p.writing.now++
	}
	return func() {
		p.any.now--
		p.any.until = p.w.now()
		if writing {
			p.writing.now--
			p.writing.until = p.w.now()
		}
	}
}

// hangs takes note of a request that is not answered well. That is no trouble for
// longer than the moment in which it is sent, as another try follows; unless two
// of them are under way, beside which there is no third. The function returned
// takes note of its end; w.mu is held at both.
func (p *process) hangs() (over func()) {
	p.troubled(true)()
	if p.hanging++; p.hanging == 2 {
		p.bothHang = p.troubled(true)
	}
	return func() {
		if p.hanging--; p.hanging == 1 {
			p.bothHang()
		}
	}
}

// delayed takes note that the process, unless it leads, waits for a time on its
// clock. w.mu is held.
func (p *process) delayed(d time.Duration) {
	p.later(time.Duration(1.02*float64(d)), p.troubled(false))
}

// later ends a trouble after a while.
func (p *process) later(d time.Duration, over func()) {
	time.AfterFunc(d, func() {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		over()
	})
}

// silent is everything that the gate tells and nobody listens to here.
type silent struct{}

func (silent) Announce(string, string) {}
func (silent) Started(int, uint64)     {}
func (silent) Ended(int, string)       {}

// logger traces what the process logs where a schedule is replayed.
func (w *world) logger(p *process) *slog.Logger {
	if !w.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(logHandler{p})
}

type logHandler struct{ p *process }

func (logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h logHandler) WithGroup(string) slog.Handler          { return h }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	line := "log: " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	w := h.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if !h.p.ended {
		w.trace(h.p.name, "%s", line)
	}
	return nil
}
