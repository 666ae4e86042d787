package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

// The durations that the tests elect with.
const (
	lease    = 15 * time.Second
	deadline = 10 * time.Second
	retry    = 2 * time.Second
	margin   = lease / 10
	// blink is far longer than a few requests take here, and far shorter than
	// any duration of the election.
	blink = 100 * time.Millisecond
	// settled is when a standby has claimed the place of heir.
	settled = 2 * retry
)

// graceful is the status of a command that ends because it was asked to, and
// killed of one that is killed.
const (
	graceful = 7
	killed   = 128 + int(syscall.SIGKILL)
)

var errUndead = errors.New("pid 4711 may not be killed")

// world is a bubble with a lock and the pods that elect through it.
type world struct {
	t     *testing.T
	story *story
	store *store
	pods  []*pod
	// over is closed at the end: what hangs for ever hangs until then.
	over chan struct{}
}

// inBubble runs f in a bubble of its own and ends all that it leaves running.
func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &story{start: time.Now()}
		w := &world{t: t, story: s, store: newStore(s), over: make(chan struct{})}
		defer w.end()
		f(w)
	})
}

// repeat runs f in many bubbles: where two things have happened while the gate
// was busy, Go picks at random which it sees first.
func repeat(t *testing.T, f func(w *world)) {
	t.Helper()
	const times = 30
	for range times {
		if inBubble(t, f); t.Failed() {
			return
		}
	}
}

func (w *world) end() {
	close(w.over)
	for _, p := range w.pods {
		p.end()
	}
	// A gate that returned ErrAlive has waited for nobody.
	time.Sleep(2 * lease)
}

// at waits for an instant and until everything that is due at it is done.
func (w *world) at(instant time.Duration) {
	w.t.Helper()
	if instant < w.story.now() {
		w.t.Fatalf("the test waits for %v at %v", instant, w.story.now())
	}
	time.Sleep(instant - w.story.now())
	synctest.Wait()
}

// after waits for a duration and until everything that is due then is done.
func (w *world) after(d time.Duration) { w.t.Helper(); w.at(w.story.now() + d) }

// pod is one gate with all that it uses. It is configured before it starts.
type pod struct {
	w    *world
	name string

	command   command
	readiness readiness
	publisher publisher
	config    Config
	election  elector.Config

	link    *link
	boot    *bubbleClock
	signals chan os.Signal
	// cancel ends the context of Gate.Run.
	cancel context.CancelFunc
	// die ends the elector's Run, after the gate.
	die      context.CancelFunc
	watching chan struct{}

	// What Gate.Run returned, once ended is closed.
	ended   chan struct{}
	status  int
	err     error
	endedAt time.Duration

	mu sync.Mutex
	// heard is called with each log line's message.
	heard     func(message string)
	processes []*process
}

// pod starts a gate; `change` alters its configuration.
func (w *world) pod(name string, change ...func(*pod)) *pod {
	w.t.Helper()
	p := &pod{
		w: w, name: name,
		link:     &link{store: w.store, who: name},
		signals:  make(chan os.Signal, 64),
		ended:    make(chan struct{}),
		watching: make(chan struct{}),
		boot:     newClock(1),
	}
	p.readiness = readiness{p: p, changes: make(chan bool)}
	p.publisher = publisher{p: p}
	logger := slog.New(logHandler{p})
	p.election = elector.Config{
		Lock:     p.link,
		Identity: name,
		Instance: elector.Instance{
			Process: fmt.Sprintf("%s/%d", name, len(w.pods)), BootID: "boot", NetNS: 4026531840,
			PodUID: "uid-" + name, Init: true, Exclusive: true,
		},
		LeaseDuration:  lease,
		RenewDeadline:  deadline,
		RetryPeriod:    retry,
		Jitter:         func() float64 { return 0.5 },
		Logger:         logger,
		HolderClock:    p.boot,
		CandidateClock: newClock(1),
	}
	p.config = Config{
		Spawner:    spawner{p},
		Readiness:  &p.readiness,
		Publisher:  &p.publisher,
		Announcer:  observer{p},
		Observer:   observer{p},
		Signals:    p.signals,
		Terminates: terminates,
		Logger:     logger,
	}
	for _, f := range change {
		f(p)
	}
	election, err := elector.New(p.election)
	if err != nil {
		w.t.Fatal(err)
	}
	p.config.Elector = election
	w.pods = append(w.pods, p)

	var life, run context.Context
	life, p.die = context.WithCancel(context.Background())
	run, p.cancel = context.WithCancel(context.Background())
	gate := New(p.config)
	go func() {
		defer close(p.watching)
		_ = election.Run(life)
	}()
	go func() {
		defer close(p.ended)
		p.status, p.err = gate.Run(run)
		p.endedAt = w.story.now()
	}()
	return p
}

// leader starts a gate and waits until its command runs.
func (w *world) leader(name string, change ...func(*pod)) *pod {
	w.t.Helper()
	p := w.pod(name, change...)
	w.after(blink)
	w.when(name, "started")
	return p
}

// heir starts a gate beside a leader and waits until it is next in line.
func (w *world) heir(name string, change ...func(*pod)) *pod {
	w.t.Helper()
	p := w.pod(name, change...)
	w.after(settled)
	w.when(name, "claimed")
	return p
}

// terminates is what signal(7) says of the signals used here.
func terminates(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH:
		return false
	}
	return true
}

// isOver reports whether Gate.Run has returned.
func (p *pod) isOver() bool { return closed(p.ended) }

func closed(past <-chan struct{}) bool {
	select {
	case <-past:
		return true
	default:
		return false
	}
}

// wantEnd checks that Gate.Run has returned this, with an error that is all of
// `is` (nil where none is named).
func (p *pod) wantEnd(status int, is ...error) {
	p.w.t.Helper()
	if !p.isOver() {
		p.w.t.Fatalf("%s: Run has not returned at %v\n%s", p.name, p.w.story.now(), p.w.story)
	}
	if len(is) == 0 && p.err != nil {
		p.w.t.Errorf("%s: Run: %v\n%s", p.name, p.err, p.w.story)
	}
	for _, want := range is {
		if !errors.Is(p.err, want) {
			p.w.t.Errorf("%s: Run: error %v, want %v\n%s", p.name, p.err, want, p.w.story)
		}
	}
	if p.status != status {
		p.w.t.Errorf("%s: Run: status %d, want %d\n%s", p.name, p.status, status, p.w.story)
	}
}

// wantRunning checks that Gate.Run has not returned.
func (p *pod) wantRunning() {
	p.w.t.Helper()
	if p.isOver() {
		p.w.t.Fatalf("%s: Run: %d, %v at %v\n%s", p.name, p.status, p.err, p.endedAt, p.w.story)
	}
}

// end ends what runs, whatever state the gate is in, so that a failed test
// leaves nothing behind in its bubble.
func (p *pod) end() {
	p.cancel()
	for !p.isOver() {
		if process := p.process(); process != nil {
			process.end(0)
		}
		p.link.heal()
		select {
		case p.signals <- syscall.SIGTERM:
		default:
		}
		select {
		case <-p.ended:
		case <-time.After(deadline):
		}
	}
	p.die()
	<-p.watching
}

// process is the one started last; nil: none was.
func (p *pod) process() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.processes) == 0 {
		return nil
	}
	return p.processes[len(p.processes)-1]
}

// exit has the running command end by itself.
func (p *pod) exit(status int) { p.process().end(status) }

// command is how each process of a pod behaves.
type command struct {
	// fails: it cannot be started. unable: it ends at once, because of this.
	fails, unable error
	// deaf: no signal ends it. Otherwise a stop signal does, after `stopping`.
	deaf     bool
	stopping time.Duration
	// taking is how long the delivery of a signal keeps the gate.
	taking time.Duration
	// sweeping is how long what is left takes to die when it is killed.
	sweeping time.Duration
	// undead: something of it never dies.
	undead bool
}

type spawner struct{ p *pod }

func (s spawner) Start(extra []string, may func() bool) (Process, error) {
	p := s.p
	if !may() {
		return nil, errors.New("too late")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command.fails != nil {
		return nil, p.command.fails
	}
	process := &process{
		p: p, command: p.command, extra: extra, exited: make(chan struct{}),
		pid: 1000 + len(p.processes), from: p.w.story.now(),
	}
	p.processes = append(p.processes, process)
	p.w.story.tell(p.name, "started")
	if process.command.unable != nil {
		time.AfterFunc(blink/2, func() { process.end(1) })
	}
	return process, nil
}

type process struct {
	p       *pod
	command command
	extra   []string
	pid     int

	once   sync.Once
	exited chan struct{}
	status int

	// from is when it was started, to when all of it was seen dead; zero: never.
	from time.Duration
	to   atomic.Int64
}

func (q *process) PID() int                { return q.pid }
func (q *process) Exited() <-chan struct{} { return q.exited }

func (q *process) Status() int {
	if !closed(q.exited) {
		return -1
	}
	return q.status
}

func (q *process) Err() error { return q.command.unable }

func (q *process) end(status int) {
	q.once.Do(func() {
		q.p.w.story.tell(q.p.name, "exited %d", status)
		q.status = status
		close(q.exited)
	})
}

func (q *process) Signal(sig syscall.Signal) error {
	if closed(q.exited) {
		return nil
	}
	q.p.w.story.tell(q.p.name, "signalled %d", int(sig))
	time.Sleep(q.command.taking)
	if q.command.deaf {
		return nil
	}
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, q.p.config.StopSignal:
		time.AfterFunc(q.command.stopping, func() { q.end(graceful) })
	}
	return nil
}

func (q *process) Sweep(ctx context.Context) error {
	tell := q.p.w.story.tell
	tell(q.p.name, "sweeping")
	if q.command.undead {
		select {
		case <-ctx.Done():
		case <-q.p.w.over:
		}
		tell(q.p.name, "not swept")
		return fmt.Errorf("%w: %w", errUndead, context.Cause(ctx))
	}
	if err := electortest.Sleep(ctx, q.command.sweeping); err != nil {
		tell(q.p.name, "not swept")
		return err
	}
	q.end(killed)
	q.to.Store(int64(q.p.w.story.now()))
	tell(q.p.name, "swept")
	return nil
}

// readiness is a readiness probe that the test answers for.
type readiness struct {
	p       *pod
	changes chan bool
	// unready: not ready from the start.
	unready bool
	// parting: the last run of the probe ends well only when it is given up.
	parting bool
}

func (r *readiness) Watch(ctx context.Context, changed func(bool)) {
	if !r.unready {
		changed(true)
	}
	for {
		select {
		case ready := <-r.changes:
			changed(ready)
		case <-ctx.Done():
			if r.parting {
				changed(true)
			}
			return
		}
	}
}

// become has the command become ready, or unready. It waits until the gate has
// taken note.
func (r *readiness) become(ready bool) {
	r.p.w.t.Helper()
	select {
	case r.changes <- ready:
	case <-time.After(blink):
		r.p.w.t.Fatalf("%s: nobody watches the readiness\n%s", r.p.name, r.p.w.story)
	}
	synctest.Wait()
}

type publisher struct {
	p *pod
	// lingers is how long Publish takes to return when it is told to.
	lingers time.Duration
	// Publish never returns; Empty never is answered, or even never returns.
	stuck, emptyHangs, emptyStuck bool
	// own: the destination is one that nobody else replaces.
	own bool
}

func (b *publisher) Prepare(ctx context.Context) {
	b.p.w.story.tellAside(b.p.name, "prepared")
	<-ctx.Done() // an API server that does not answer
}

func (b *publisher) Publish(ctx context.Context) {
	tell := b.p.w.story.tell
	tell(b.p.name, "published")
	<-ctx.Done()
	if b.stuck {
		<-b.p.w.over
	}
	time.Sleep(b.lingers)
	tell(b.p.name, "publishing ended")
}

func (b *publisher) Empty(ctx context.Context, followed bool) error {
	if followed && !b.own {
		return nil
	}
	if b.emptyStuck {
		<-b.p.w.over
	}
	if b.emptyHangs {
		select {
		case <-ctx.Done():
		case <-b.p.w.over:
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.p.w.story.tell(b.p.name, "emptied")
	return nil
}

type observer struct{ p *pod }

func (o observer) Started(pid int, _ uint64) {
	o.p.w.story.tellAside(o.p.name, "observed start of %d", pid)
}
func (o observer) Ended(status int, _ string) {
	o.p.w.story.tellAside(o.p.name, "observed end %d", status)
}
func (o observer) Announce(reason, msg string) {
	o.p.w.story.tellAside(o.p.name, "announced %s", reason)
}

// hear sets what is called with each log line's message, by who logs it.
func (p *pod) hear(f func(message string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = f
}

type logHandler struct{ p *pod }

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h logHandler) WithGroup(string) slog.Handler            { return h }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	h.p.mu.Lock()
	heard := h.p.heard
	h.p.mu.Unlock()
	if heard != nil {
		heard(r.Message)
	}
	return nil
}
