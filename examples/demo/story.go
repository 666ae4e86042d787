package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// A short lease, so that nobody has to wait 15 s for a killed leader's.
const (
	leaseDuration = 3 * time.Second
	renewDeadline = 2 * time.Second
	retryPeriod   = 500 * time.Millisecond
)

// tell runs the story from beginning to end, and returns an error if anything
// went otherwise than it should.
func (d *demo) tell(ctx context.Context) error {
	d.introduce()
	for _, r := range d.replicas {
		if err := r.start(); err != nil {
			return err
		}
	}
	first, err := d.next(ctx, record.Run{}, "the first leader")
	if err != nil {
		return err
	}
	if err := d.look(ctx); err != nil {
		return err
	}

	d.screen.say("\n1. The gate of %s gets TERM, as in a rolling update. It ends its server, waits until\n"+
		"   nothing of it is left, and only then gives the lock away.", first.Name)
	second, err := d.end(ctx, first, syscall.SIGTERM, "exit status 0")
	if err != nil {
		return err
	}

	d.screen.say("\n2. The gate of %s is killed (KILL), as when memory runs out. %s", second.Name, d.afterKill())
	third, err := d.end(ctx, second, syscall.SIGKILL, "signal: killed")
	if err != nil {
		return err
	}

	d.screen.say("\n3. Everything is stopped.")
	if err := d.stop(); err != nil {
		return err
	}
	runs, err := d.record.Runs()
	if err != nil {
		return err
	}
	return d.judge(runs, []string{first.Name, second.Name, third.Name})
}

func (d *demo) introduce() {
	d.screen.say("Three replicas, a, b and c, have the same web server, each behind k8s-await-election.\n" +
		"The one that holds the lock runs it; the others stand by and have started nothing.")
	if d.options.lock == "file" {
		d.screen.say("The lock is a file (flock); in a cluster it is a Kubernetes Lease.")
	} else {
		d.screen.say("The lock is the Lease %s/%s. It lasts %s without renewal (15 s by default).",
			d.options.namespace, d.options.name, leaseDuration)
	}
	d.screen.say("All of them would serve on port %d: two at once could not.\n", d.options.port)
}

func (d *demo) afterKill() string {
	if d.options.lock == "file" {
		return "It can give\n   nothing away any more: its server dies with it, and the kernel frees the lock once both are gone."
	}
	return fmt.Sprintf("It can give\n   nothing away any more: its server dies with it, and the others wait until the lease, %s, has run out.", leaseDuration)
}

// next waits for a server that started after the run.
func (d *demo) next(ctx context.Context, after record.Run, what string) (next record.Run, err error) {
	err = d.until(ctx, what, func(runs []record.Run) (found bool) {
		next, found = record.After(runs, after)
		return found
	})
	return next, err
}

// end sends the signal to the leader's gate, which must meet this fate, waits
// for the next leader, shows it, and starts the replica that ended again.
func (d *demo) end(ctx context.Context, leader record.Run, s syscall.Signal, fate string) (record.Run, error) {
	gate := d.replica(leader.Name)
	gate.signal(s)
	next, err := d.next(ctx, leader, "the next leader")
	if err != nil {
		return next, err
	}
	if err := d.until(ctx, "the end of the old leader's gate", func([]record.Run) bool { return !gate.running() }); err != nil {
		return next, err
	}
	if gate.fate() != fate {
		return next, fmt.Errorf("the gate of %s ended by %q, want %q", leader.Name, gate.fate(), fate)
	}
	runs, err := d.record.Runs()
	if err != nil {
		return next, err
	}
	if last := record.HandOvers(runs); len(last) > 0 {
		d.screen.say("   → %s serves. From the last sign of %s's server to the start of its own: %s",
			next.Name, leader.Name, span(last[len(last)-1].Gap))
	}
	if err := d.look(ctx); err != nil {
		return next, err
	}
	d.screen.say("   %s is started again and stands by.", leader.Name)
	if err := gate.start(); err != nil {
		return next, err
	}
	return next, d.look(ctx)
}

// judge prints what the servers' own record proves, and refuses it if it is not
// what was promised: these leaders, one after the other, with growing tokens.
func (d *demo) judge(runs []record.Run, leaders []string) error {
	var wrong []error
	for _, overlap := range record.Overlaps(runs) {
		wrong = append(wrong, errors.New(overlap.String()))
	}
	if len(runs) != len(leaders) {
		wrong = append(wrong, fmt.Errorf("servers were started %d times, want %d", len(runs), len(leaders)))
	}
	var silence time.Duration
	var token uint64
	for i, r := range runs {
		silence = max(silence, r.Silence)
		if i < len(leaders) && r.Name != leaders[i] {
			wrong = append(wrong, fmt.Errorf("run %d was %s's, want %s's", i+1, r.Name, leaders[i]))
		}
		n, err := strconv.ParseUint(r.Token, 10, 64)
		if err != nil || n <= token {
			wrong = append(wrong, fmt.Errorf("fencing token %q of run %d does not follow %d", r.Token, i+1, token))
		}
		token = n
		if killed := i == 1; r.Ended == killed {
			wrong = append(wrong, fmt.Errorf("run %d: ended gracefully is %t, want %t", i+1, r.Ended, !killed))
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}

	d.screen.say("\nHand-over, from the old server's last sign to the next one's start, by their own records:")
	for i, h := range record.HandOvers(runs) {
		d.screen.say("   %s  %s → %s  %s", []string{"leader ended (TERM) ", "leader killed (KILL)"}[i], h.From.Name, h.To.Name, span(h.Gap))
	}
	d.screen.say("Two servers at once: never (each wrote a sign of life at least every %s).", span(silence))
	if d.options.lock == "lease" {
		d.screen.say("The Lease %s/%s is left behind, released.", d.options.namespace, d.options.name)
	}
	return nil
}

// span writes a time as people say it.
func span(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
