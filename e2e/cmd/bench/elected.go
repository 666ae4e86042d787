package main

import (
	"context"
	"errors"
	"time"
)

// elected is a sample: start of the child of an only candidate on a Lease that does
// not exist yet, less that of a bare exec.
const elected = "elected_startup_ms"

// elect compares a child that is started as soon as it is elected with a child that
// is started by itself, both in new namespaces.
func (b *bench) elect(ctx context.Context, t tool) (map[string]float64, error) {
	bare, err := b.electOnce(ctx, tool{template: []string{"{child}"}})
	if err != nil {
		return nil, err
	}
	behind, err := b.electOnce(ctx, t)
	if err != nil {
		return nil, err
	}
	return map[string]float64{elected: ms(behind - bare)}, nil
}

// electOnce is the time from fork to the first line of the child.
func (b *bench) electOnce(ctx context.Context, t tool) (_ time.Duration, err error) {
	f, err := b.newFleet(ctx, t, 1, finest, false)
	defer func() { err = errors.Join(err, f.stop()) }()
	if err != nil {
		return 0, err
	}
	leader, gate, err := f.led(ctx)
	return leader.Started - gate.began, err
}
