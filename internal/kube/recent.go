package kube

import (
	"sync"
	"time"
)

// recent keeps an answer for a second: what was asked for while the command
// started need not be asked again when it is ready. The zero value has none.
type recent[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
}

// get returns the answer, and asks for it where there is none of the last second;
// whoever else asks meanwhile waits for it. ask is told the one before. An error
// is not kept.
func (r *recent[T]) get(ask func(before T) (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < time.Second {
		return r.value, nil
	}
	value, err := ask(r.value)
	if err != nil {
		r.at = time.Time{}
		var none T
		r.value = none
		return none, err
	}
	r.value, r.at = value, time.Now()
	return value, nil
}
