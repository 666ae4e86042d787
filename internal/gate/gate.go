// Package gate keeps one rule: while the command or anything it started is
// alive, this process holds the lock. It decides the order in which the lock is
// acquired, the command started and published, stopped, seen dead, and the lock
// released; Gate.lead is that order.
//
// It relies on internal/elector for the instants (see the timing inequality in
// its package doc), and on Process.Sweep for the proof of death. Where death
// cannot be proven the lock is never released: the gate ends before the lease
// does and, as PID 1 of its PID namespace, takes everything with it.
//
// Where the gate itself is stopped, somebody else must kill for it (internal/guard);
// it takes its term for lost then. It guarantees nothing where it is killed without
// being PID 1. internal/app is its caller.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// TokenVariable is the environment variable that hands the fencing token to
// the command, as a decimal number.
const TokenVariable = "K8S_AWAIT_ELECTION_FENCING_TOKEN"

// Why Run ended without the command having ended by itself or on request.
var (
	// ErrLost: the lease was lost; the command is dead.
	ErrLost = errors.New("lease lost")
	// ErrAlive: the command, or something it started, could not be killed. The
	// lock is not released, and the process must end at once.
	ErrAlive = errors.New("no proof that what ran while leading has ended")
	// ErrUnable: nothing can be run here now, while another replica may be able to.
	// The lock is released. A Spawner or a Process says so.
	ErrUnable = errors.New("this replica cannot lead now")
)

// emptyTimeout bounds how long clients are led away before the lock is
// released.
const emptyTimeout = 500 * time.Millisecond

// Config is what a Gate needs. Fields are required unless it says otherwise.
type Config struct {
	Elector   *elector.Elector
	Spawner   Spawner
	Readiness Readiness
	// Publisher may be nil: there is no Service.
	Publisher Publisher
	Announcer Announcer
	Observer  Observer
	// Signals are all that this process catches, the stop signals included. It
	// needs room: a signal that finds it full is lost.
	Signals <-chan os.Signal
	// Terminates reports whether a signal ends a process that does nothing about
	// it: it ends the gate while there is no command.
	Terminates func(syscall.Signal) bool
	// StopSignal ends the command. Zero: the stop signal that came, or TERM
	// where none did.
	StopSignal syscall.Signal
	// StopTimeout is how long the command may take to end when asked to, before
	// it is killed. Zero: as long as it wants.
	StopTimeout time.Duration
	// StandByWhenLost makes a lost lease, or one given up because of ErrUnable, the
	// start of a new campaign, in place of the end of Run.
	StandByWhenLost bool
	Logger          *slog.Logger
}

// Gate runs the command while it leads. Run may be called once.
type Gate struct{ Config }

// New returns a Gate that has done nothing yet.
func New(c Config) *Gate { return &Gate{c} }

// Run stands by, leads, and returns the command's exit status. A stop signal
// while standing by returns 0; another signal that ends processes, 128+n. The
// errors are ErrLost, ErrAlive, ErrUnable, and whatever else Spawner.Start returns.
// The end of ctx counts as a stop signal.
func (g *Gate) Run(ctx context.Context) (status int, err error) {
	var rest time.Duration
	for {
		term, status, err := g.standBy(ctx, rest)
		if term == nil {
			return status, err
		}
		status, err = g.lead(ctx, term)
		switch {
		case !g.StandByWhenLost:
			return status, err
		case errors.Is(err, ErrLost): // which takes its time
			rest = 0
		case errors.Is(err, ErrUnable):
			// Others come first, and where there are none the lock is left in peace.
			rest = min(max(2*rest, g.Elector.RetryPeriod), g.Elector.LeaseDuration)
			g.Logger.Error("the lease is given up", "err", err, "next_try_in", rest)
		default:
			return status, err
		}
	}
}

// standBy waits for a term, after a rest in which it does not ask for one; a nil one
// means that Run ends.
func (g *Gate) standBy(ctx context.Context, rest time.Duration) (*elector.Term, int, error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	var term *elector.Term
	elected := make(chan error, 1)
	go func() {
		rested := time.NewTimer(rest)
		defer rested.Stop()
		select {
		case <-rested.C:
		case <-ctx.Done():
			elected <- context.Cause(ctx)
			return
		}
		var err error
		term, err = g.Elector.Campaign(ctx)
		elected <- err
	}()
	status, stopped := 0, false
	leaving := func(sig os.Signal) {
		s := sig.(syscall.Signal)
		if stopped || !g.isStop(s) && !g.Terminates(s) {
			return
		}
		g.Logger.Info("leaving", "reason", "signal", "signal", s.String())
		if stopped = true; !g.isStop(s) {
			status = 128 + int(s)
		}
		leave()
	}
	for {
		select {
		case sig := <-g.Signals:
			leaving(sig)
		case err := <-elected:
			for len(g.Signals) > 0 { // came with the election: nothing is started then
				leaving(<-g.Signals)
			}
			switch {
			case err != nil && ctx.Err() == nil:
				return nil, 0, err
			case err == nil && ctx.Err() == nil:
				return term, 0, nil
			case err == nil: // elected while leaving
				err = term.Release(context.WithoutCancel(ctx))
				g.warn("release failed, others wait for the end of the lease", err)
			}
			return nil, status, nil
		}
	}
}

// lead is one term, from the start of the command to the release of the lock.
// The rows of the table in the README («what happens when») are its paths.
func (g *Gate) lead(ctx context.Context, term *elector.Term) (status int, err error) {
	leave := ctx.Done()
	ctx, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()

	process, err := g.Spawner.Start([]string{TokenVariable + "=" + strconv.FormatUint(term.Token(), 10)}, term.Valid)
	if !term.Valid() && process == nil {
		return 0, g.lost(ctx, term)
	}
	if err != nil {
		return 0, errors.Join(err, term.Release(ctx))
	}
	g.Observer.Started(process.PID(), term.Token())
	g.Announcer.Announce("LeaderElected", fmt.Sprintf("leads with fencing token %d", term.Token()))
	traffic := g.openTraffic(ctx, term.Valid)

	reason := g.wait(ctx, leave, term, process, traffic)

	if !term.Valid() {
		traffic.stop() // what it would put right may be a successor's
	}
	// From here on the lock passes to another only past the proof of death.
	term.Lapse()
	if err := g.bury(ctx, term, process); err != nil {
		term.Abandon()
		return 0, err
	}
	traffic.close()
	status = process.Status()
	g.Observer.Ended(status, string(reason))
	g.Announcer.Announce("LeaderStopped", "no longer leads: "+string(reason))
	g.empty(ctx, reason == leaseLost || term.HasHeir())
	if reason == leaseLost {
		return status, g.lost(ctx, term)
	}
	if err := process.Err(); err != nil && reason == endedByItself {
		return status, errors.Join(err, term.Release(ctx))
	}
	g.warn("release failed, others wait for the end of the lease", term.Release(ctx))
	return status, nil
}

// reason is why a command is at its end.
type reason string

const (
	endedByItself reason = "it ended by itself"
	stopRequested reason = "it was asked to stop"
	stopTimedOut  reason = "it did not stop in time"
	leaseLost     reason = "the lease was lost"
)

// wait returns when the command has ended or has to be killed.
func (g *Gate) wait(ctx context.Context, leave <-chan struct{}, term *elector.Term, process Process, traffic *traffic) reason {
	why := endedByItself
	over := term.Over()
	var timeout <-chan time.Time
	stop := func(sig syscall.Signal) {
		if g.StopSignal != 0 {
			sig = g.StopSignal
		}
		g.forward(process, sig)
		if g.StopTimeout > 0 && timeout == nil {
			timeout = time.After(g.StopTimeout)
		}
	}
	for {
		select {
		case <-process.Exited():
			if why == endedByItself && !term.Valid() {
				// We have stood still, and its guard has kept the deadline for us;
				// the lease may be another's by now.
				why = leaseLost
			}
			return why
		case sig := <-g.Signals:
			s := sig.(syscall.Signal)
			if !g.isStop(s) {
				g.forward(process, s)
				continue
			}
			if why != stopRequested {
				why = stopRequested // also in a loss: who is to stop does not stand by again
				g.Logger.Info("stopping", "reason", "signal", "signal", sig.String())
			}
			stop(s)
		case <-leave:
			leave, why = nil, stopRequested
			stop(syscall.SIGTERM)
		case <-over:
			over = nil
			if why == endedByItself { // else it is ending: a second signal often means «at once»
				why = leaseLost
				stop(syscall.SIGTERM)
			}
			go func() { // whatever hangs here must not delay the kill
				traffic.close()
				g.empty(ctx, false)
			}()
		case <-timeout:
			if why == stopRequested {
				why = stopTimedOut
			}
			return why
		case <-term.Expired():
			if why == endedByItself { // seen before Over
				why = leaseLost
			}
			return why
		}
	}
}

// bury kills what is left of the command and returns nil once nothing is. It
// gives up when a quarter of the kill margin has passed after Term.Expired: the
// rest is for the kernel, to end everything with this process.
func (g *Gate) bury(ctx context.Context, term *elector.Term, process Process) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	grace := elector.KillMargin(g.Elector.LeaseDuration) / 4
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-term.Expired():
		}
		select {
		case <-ctx.Done():
		case <-time.After(grace):
			giveUp(term.Cause())
		}
	}()
	if err := process.Sweep(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrAlive, err)
	}
	return nil
}

// lost ends a term whose lease was lost. The command is dead.
func (g *Gate) lost(ctx context.Context, term *elector.Term) error {
	g.warn("release failed, others wait for the end of the lease", term.Release(ctx))
	cause := term.Cause()
	if cause == nil {
		cause = elector.ErrRenewDeadline
	}
	return fmt.Errorf("%w: %w", ErrLost, cause)
}

func (g *Gate) isStop(sig syscall.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == g.StopSignal && sig != 0
}

func (g *Gate) forward(process Process, sig syscall.Signal) {
	g.warn("signal not delivered", process.Signal(sig))
}

func (g *Gate) empty(ctx context.Context, followed bool) {
	if g.Publisher == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, emptyTimeout)
	defer cancel()
	g.warn("clients may still be sent here", g.Publisher.Empty(ctx, followed))
}

func (g *Gate) warn(message string, err error) {
	if err != nil {
		g.Logger.Warn(message, "err", err)
	}
}
