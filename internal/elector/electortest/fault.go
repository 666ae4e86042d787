package electortest

import (
	"context"
	"errors"
	"time"
)

// Travel is how long a request takes to the lock, and an answer back.
const Travel = time.Millisecond

// ErrServer is a failure of the lock that says nothing about the election.
var ErrServer = errors.New("internal server error")

// Fault is what happens to one request. The zero Fault: nothing.
type Fault struct {
	// Late and Slow are added to the way there and back.
	Late, Slow time.Duration
	// Hold keeps the answer back until it is closed.
	Hold <-chan struct{}
	// Drop: it never arrives, and nothing is answered. Lose: it arrives, and
	// nothing is answered. Lost decides that when it has arrived.
	Drop, Lose bool
	Lost       func() bool
	// Stubborn: it arrives even if the caller gives up while it is on its way.
	Stubborn bool
	// Refuse: answered with this, and nothing is done.
	Refuse error
	// Idle: answered with success and the former revision, and nothing is done.
	// What that answer is, the caller of Carry says by its apply.
	Idle bool
	// Answering is called when the answer has come back, just before the caller
	// has it.
	Answering func()
}

// Carry takes one request there, where apply is what it does, and its answer
// back.
func Carry[T any](ctx context.Context, f Fault, apply func() (T, error)) (T, error) {
	var none T
	if f.Drop {
		return none, Silence(ctx)
	}
	arrives := time.Now().Add(Travel + f.Late)
	if err := Sleep(ctx, Travel+f.Late); err != nil {
		if f.Stubborn {
			time.AfterFunc(time.Until(arrives), func() { _, _ = apply() })
		}
		return none, err
	}
	var answer T
	err := f.Refuse
	if err == nil {
		answer, err = apply()
	}
	if f.Lose || f.Lost != nil && f.Lost() {
		return none, Silence(ctx)
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
	if lost := Sleep(ctx, Travel+f.Slow); lost != nil {
		return none, lost
	}
	if f.Answering != nil {
		f.Answering()
	}
	return answer, err
}

// Sleep waits, and returns the cause where ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// Silence waits for the end of ctx.
func Silence(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
