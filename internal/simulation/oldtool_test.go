package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// oldTool is a candidate that follows the rules of client-go's leader election,
// as its standbys poll and its holders count from the answer. It uses a
// process's way to the store.
type oldTool struct {
	*process
	seen elector.Observation
	// raw is the record as it compares it: times in whole seconds.
	raw      string
	observed time.Duration
}

// liveOld is a Pod with an older tool, one container after the other.
func (w *world) liveOld(of pod) {
	for life := 0; ; life++ {
		of.identity = fmt.Sprintf("old%d", life)
		w.mu.Lock()
		if w.over {
			w.mu.Unlock()
			return
		}
		p := w.newProcess(of)
		// It is not judged: it is there for what it does to ours.
		over := p.troubled(true)
		ctx, kill := context.WithCancel(context.Background())
		p.kill = kill
		d := w.dice(p.name, "life")
		w.mu.Unlock()
		(&oldTool{process: p}).run(ctx)
		kill()
		w.mu.Lock()
		p.end("ends")
		over()
		w.mu.Unlock()
		close(p.gone)
		time.Sleep(d.below(w.lease))
	}
}

func (o *oldTool) run(ctx context.Context) {
	pause := func() bool { return o.sleep(ctx, time.Duration(float64(o.retry)/o.rate)) == nil }
	for !o.try(ctx) {
		if !pause() {
			return
		}
	}
	w := o.w
	w.mu.Lock()
	if o.ended {
		w.mu.Unlock()
		return
	}
	l := w.judge.begin(o.name, nil, 0)
	w.mu.Unlock()
	for renewed := true; renewed && pause(); {
		renewed = false
		trying, stop := context.WithTimeout(ctx, time.Duration(float64(o.deadline)/o.rate))
		for !renewed && trying.Err() == nil {
			if renewed = o.try(trying); !renewed {
				_ = o.sleep(trying, time.Duration(float64(o.retry)/o.rate))
			}
		}
		stop()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judge.end(l, "is dead")
}

// valid: the record seen last has not run out, by this clock.
func (o *oldTool) valid(now time.Duration) bool { return o.observed+o.lease > now }

func (o *oldTool) note(obs elector.Observation) {
	r := obs.Record
	raw := fmt.Sprint(r.HolderIdentity, r.LeaseDuration, r.AcquireTime.Unix(), r.RenewTime.Unix(), r.LeaseTransitions)
	o.seen = obs
	if raw != o.raw {
		o.raw, o.observed = raw, o.candidate.Now()
	}
}

// try acquires or renews.
func (o *oldTool) try(ctx context.Context) bool {
	now, at := o.candidate.Now(), time.Now()
	leads := o.seen.Record.HolderIdentity == o.identity
	to := elector.Record{HolderIdentity: o.identity, LeaseDuration: o.lease, AcquireTime: at, RenewTime: at}
	if leads && o.valid(now) {
		if o.update(ctx, to) {
			return true
		}
	}
	obs, err := o.Read(ctx)
	if err != nil {
		return false
	}
	if !obs.Exists {
		o.seen = obs
		return o.update(ctx, to)
	}
	o.note(obs)
	leads = obs.Record.HolderIdentity == o.identity
	if obs.Record.HolderIdentity != "" && !leads && o.valid(now) {
		return false
	}
	return o.update(ctx, to)
}

// update writes over what was seen last. Annotations are carried along.
func (o *oldTool) update(ctx context.Context, to elector.Record) bool {
	was := o.seen.Record
	to.Instance, to.Heir, to.LeaseTransitions = was.Instance, was.Heir, was.LeaseTransitions
	if was.HolderIdentity == o.identity {
		to.AcquireTime = was.AcquireTime
	} else if o.seen.Exists {
		to.LeaseTransitions++
	}
	obs, err := o.Write(ctx, o.seen, to)
	if err != nil {
		return false
	}
	o.note(obs)
	o.observed = o.candidate.Now()
	return true
}
