package statusfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

const (
	// touchPeriod is how often the files are touched, and put right where
	// somebody removed them.
	touchPeriod = 2 * time.Second
	// startPatience is how long Start waits for a file system. A signal that
	// comes then is heard after it.
	startPatience = time.Second
	// lowerAgain is the pause before a leader file that could not be removed is
	// removed again.
	lowerAgain = 50 * time.Millisecond
)

// errLate: the term was over before the file was visible.
var errLate = errors.New("the term was over before the claim could be made")

// Options say where the claim is to be read, and what.
type Options struct {
	// File is a file that exists while this process leads; Dir a directory with
	// the file leader then, and follower else. At most one is given; without
	// either nobody can read the claim, which is good for HTTP alone.
	File, Dir string
	// Optional: nobody has asked for the file, so that a place where none can be
	// written is worth a warning alone. A leader file that is there and cannot be
	// removed remains an error.
	Optional bool
	// Identity is the first line of each file.
	Identity string
	// Expires is how long the lease is still valid, from now. If it is not nil
	// the leader file has a second line, the expiry by the wall clock (RFC 3339,
	// UTC, milliseconds, rounded down), and a third, the fencing token. It is
	// called from any goroutine.
	Expires func() time.Duration
	// Ends reports whether a signal ends a process that does nothing about it.
	Ends   func(syscall.Signal) bool
	Logger *slog.Logger
}

// sign is the claim as others see it.
type sign interface {
	// raise shows the text as a claim, if may says so directly before.
	raise(text string, may func() bool) error
	// touch says that the claim is still meant.
	touch() error
	// lower returns nil once no claim is to be seen.
	lower() error
	// shown reports whether a claim is to be seen.
	shown() bool
	// follow shows that this process stands by. There is no claim to be seen.
	follow(text string) error
}

// Claim is the claim of this process to lead. It implements gate.Spawner.
type Claim struct {
	options Options
	sign    sign
	// started has room for one: there is one process at a time.
	started chan *process
	changed chan struct{}
	// told is what was last logged of what goes on failing.
	told string
	// shared: it was logged that others write the same files.
	shared sync.Once
}

var _ gate.Spawner = (*Claim)(nil)

// New removes a leader file that a former container has left, and sees that the
// files can be written. Its errors name a path and a remedy; nobody may campaign
// after one.
func New(o Options) (*Claim, error) {
	var f files
	switch {
	case o.Dir != "":
		f = directory(o.Dir)
	case o.File != "":
		f = file(o.File)
	default:
		return newClaim(o, noFiles{}), nil
	}
	switch err := f.prepare(o.Identity); {
	case err == nil:
		o.tellForm()
		return newClaim(o, f), nil
	case o.Optional && f.lower() == nil:
		o.Logger.Warn("no status file is written", "err", err)
		return newClaim(o, noFiles{}), nil
	default:
		return nil, err
	}
}

// tellForm: an application that looks for the other form would never lead.
func (o Options) tellForm() {
	switch {
	case o.Dir != "":
		o.Logger.Info("keeps the file leader or the file follower in a directory", "directory", o.Dir)
	case o.Optional:
		o.Logger.Info("keeps a file that is there while this replica leads; for a directory with a file leader or follower set STATUS_DIR", "file", o.File)
	default:
		o.Logger.Info("keeps a file that is there while this replica leads", "file", o.File)
	}
}

func newClaim(o Options, s sign) *Claim {
	return &Claim{options: o, sign: s, started: make(chan *process, 1), changed: make(chan struct{}, 1)}
}

// Start makes the claim. It implements gate.Spawner: after an error the leader file
// has been seen to be gone.
func (c *Claim) Start(extra []string, may func() bool) (gate.Process, error) {
	p := newProcess(c.options.Ends, tokenIn(extra), may)
	c.started <- p
	select {
	case err := <-p.raised:
		if err != nil {
			return nil, err // not a nil *process in an interface
		}
	case <-time.After(startPatience): // p tells what has become of it
	}
	return p, nil
}

func tokenIn(extra []string) string {
	for _, variable := range extra {
		if token, found := strings.CutPrefix(variable, gate.TokenVariable+"="); found {
			return token
		}
	}
	return ""
}

// Changed says that the lease was renewed, or lost: the expiry in the file is to
// be looked at. It never waits.
func (c *Claim) Changed() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Run is the one goroutine that reads and writes files. It must run while a
// claim may be started, and returns when ctx ends.
func (c *Claim) Run(ctx context.Context) {
	touch := time.NewTicker(touchPeriod)
	defer touch.Stop()
	for {
		select {
		case p := <-c.started:
			c.lead(ctx, p, touch.C)
		case <-touch.C:
			c.standBy()
		case <-ctx.Done():
			return
		}
	}
}

// standBy puts right what says whether this process leads: it does not.
func (c *Claim) standBy() {
	if c.sign.shown() { // the own one has been seen to be gone
		c.tellOfOthers("the leader file of another process was there, and is removed")
	}
	err := c.sign.lower()
	if err == nil {
		err = c.sign.follow(c.options.Identity)
	}
	c.tell(err)
}

// lead is one claim, from raise to lower.
func (c *Claim) lead(ctx context.Context, p *process, touch <-chan time.Time) {
	var failure error
	if err := c.sign.raise(c.text(p), p.may); err != nil {
		failure = unable(err)
		p.end(failed, failure)
	} else {
		p.raised <- nil
	}
	for !p.ended() {
		select {
		case <-p.exited:
		case <-touch:
			c.keep(p)
		case <-c.changed:
			if c.options.Expires != nil {
				c.keep(p)
			}
		}
	}
	for {
		err := c.sign.lower()
		if err == nil {
			break
		}
		p.problem.Store(&err)
		select {
		case <-time.After(lowerAgain):
		case <-ctx.Done():
			return
		}
	}
	close(p.gone)
	if failure != nil {
		p.raised <- failure
	}
	c.tell(c.sign.follow(c.options.Identity))
}

// keep writes the present expiry. Without one it touches the file, and writes it
// anew only where it is not there. A claim that holds no longer is taken back.
func (c *Claim) keep(p *process) {
	err := errLate
	if p.may() {
		err = c.renew(p)
	}
	if errors.Is(err, errLate) { // gate is about to say so too
		err = c.sign.lower()
	}
	c.tell(err)
}

func (c *Claim) renew(p *process) error {
	err := c.sign.touch()
	if errors.Is(err, syscall.ENOENT) {
		c.tellOfOthers("the leader file was removed by another process, and is written again")
	}
	if err == nil && c.options.Expires == nil {
		return nil
	}
	return c.sign.raise(c.text(p), p.may)
}

// text is what the leader file says now. Without an expiry it is the identity
// and nothing else, not even the end of the line, as leader-elector has it.
func (c *Claim) text(p *process) string {
	if c.options.Expires == nil {
		return c.options.Identity
	}
	expiry := time.Now().Add(c.options.Expires()).UTC().Truncate(time.Millisecond)
	return fmt.Sprintf("%s\n%s\n%s\n", c.options.Identity, expiry.Format("2006-01-02T15:04:05.000Z07:00"), p.token)
}

// tellOfOthers warns once: two sidecars that share a file each undo what the other
// has said.
func (c *Claim) tellOfOthers(what string) {
	c.shared.Do(func() {
		c.options.Logger.Warn(what+": give each sidecar and each election a status file or directory of its own",
			"path", c.options.Dir+c.options.File)
	})
}

// tell logs what goes on failing once, and that it is over.
func (c *Claim) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == c.told:
	case err != nil:
		c.options.Logger.Warn("status file not written", "err", err, "next_try_in", touchPeriod)
	default:
		c.options.Logger.Info("status file written again")
	}
	c.told = text
}
