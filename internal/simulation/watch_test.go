package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// stream is an open watch.
type stream struct {
	broken chan error
	// dead: it goes on and delivers nothing. w.mu covers it.
	dead bool
}

var errExpired = errors.New("the changes since that revision are forgotten")

// Watch implements elector.Lock: it begins with the present state, resumes after
// a clean end, and begins anew where the changes since then are forgotten.
func (p *process) Watch(ctx context.Context, deliver func(elector.Observation)) error {
	resume := uint64(0)
	for {
		err := p.follow(ctx, &resume, deliver)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errExpired):
			resume = 0
		case err != nil:
			return err
		}
		if err := p.sleep(ctx, p.retry/2); err != nil {
			return err
		}
	}
}

// follow is one stream; nil is a clean end.
func (p *process) follow(ctx context.Context, resume *uint64, deliver func(elector.Observation)) error {
	w := p.w
	if err := p.awake(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	f := p.fate(watch)
	closed := p.troubled(false) // until it has opened
	w.mu.Unlock()
	opened := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		closed()
		closed = func() {}
	}
	defer opened()
	switch {
	case f.refuse != nil:
		if err := p.sleep(ctx, f.there+f.back); err != nil {
			return err
		}
		w.mu.Lock()
		p.wait(f.refuse)
		w.mu.Unlock()
		return f.refuse
	case f.lost || f.mute || f.healing != nil:
		return p.silence(ctx)
	}
	if err := p.sleep(ctx, f.there); err != nil {
		return err
	}

	st := &stream{broken: make(chan error, 1)}
	w.mu.Lock()
	if *resume != 0 && *resume < w.store.compacted {
		w.mu.Unlock()
		return errExpired
	}
	first, gap := []version(nil), false
	if *resume == 0 {
		obs := w.store.before(f.stale)
		if !obs.Exists && f.stale == 0 {
			obs.Revision = w.store.revision
		}
		first, gap = append(first, version{obs, w.now()}), true
		*resume = max(obs.Revision, 1)
	}
	p.stream = st
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if p.stream == st {
			p.stream = nil
		}
	}()
	for {
		w.mu.Lock()
		news, changed := first, w.store.changed
		first = nil
		if news == nil {
			var ok bool
			if news, ok = w.store.since(*resume); !ok {
				w.mu.Unlock()
				return errExpired
			}
		}
		lag := w.dice(p.name, "event").below(p.distance)
		if p.spells[lagging] > 0 {
			lag += w.dice(p.name, "lag").below(p.lease)
		}
		w.mu.Unlock()
		for _, v := range news {
			left, over := max(0, v.at+lag-w.now()), func() {}
			w.mu.Lock()
			if left > p.distance {
				over = p.troubled(false)
			}
			w.mu.Unlock()
			err := p.onItsWay(ctx, st, left)
			w.mu.Lock()
			over()
			if err != nil {
				w.mu.Unlock()
				return clean(err)
			}
			p.saw(v.obs)
			w.mu.Unlock()
			if v.obs.Revision > 0 {
				*resume = max(*resume, v.obs.Revision)
			}
			v.obs.Follows, gap = !gap, false
			deliver(v.obs)
			opened()
		}
		if len(news) > 0 {
			continue
		}
		select {
		case <-changed:
		case err := <-st.broken:
			return clean(err)
		case <-ctx.Done():
			return p.givenUp(ctx)
		case <-p.died:
			return errKilled
		}
	}
}

// errEnd is a clean end of a stream.
var errEnd = errors.New("end of the stream")

func clean(err error) error {
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// onItsWay waits until an event has arrived.
func (p *process) onItsWay(ctx context.Context, st *stream, d time.Duration) error {
	w := p.w
	timer := time.NewTimer(d)
	defer timer.Stop()
	wait := timer.C
	var healed <-chan struct{}
	for {
		select {
		case <-wait:
		case <-healed:
		case err := <-st.broken:
			return err
		case <-ctx.Done():
			return p.givenUp(ctx)
		case <-p.died:
			return errKilled
		}
		if err := p.awake(ctx); err != nil {
			return err
		}
		w.mu.Lock()
		dead := st.dead
		healed = nil
		if p.spells[cut] > 0 {
			healed = p.healed
		}
		w.mu.Unlock()
		switch {
		case dead: // until it is broken
			wait, healed = nil, nil
		case healed == nil:
			return nil
		default:
			wait = nil
		}
	}
}
