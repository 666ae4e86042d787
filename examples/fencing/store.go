// Package fencing is a store that no former leader can write to: it refuses a
// fencing token smaller than the greatest that it has seen. It shows what a
// database or a file server has to do for its writers to be safe even from what
// no election can prevent, such as a machine that stood still for a minute and
// goes on in the middle of a write.
package fencing

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

// TokenVariable is where a command that runs under k8s-await-election finds its
// token.
const TokenVariable = "K8S_AWAIT_ELECTION_FENCING_TOKEN"

// Token reads the token that this process was started with. It is read once and
// sent with each write; a process never gets another.
func Token() (uint64, error) {
	token, err := strconv.ParseUint(os.Getenv(TokenVariable), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: not a decimal number; is this process started by k8s-await-election?", TokenVariable)
	}
	return token, nil
}

// Store keeps values for one election. The zero Store is empty. All methods may
// be called from any goroutine.
//
// A leader calls Lead once, before it reads anything that it will write by, and
// then sends its token with every Put.
type Store struct {
	mu     sync.Mutex
	newest uint64
	values map[string]string
}

// Lead shuts all former leaders out. Without it they are shut out by the new
// leader's first write: what it has read before that, one of them may still
// change, and would have it overwritten.
func (s *Store) Lead(token uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raise("lead", token)
}

// Put sets a value on behalf of the leader with that token. The comparison and
// the write are one step: with the lock released in between, a write that was
// let through could still come after that of the next leader. A store on disk
// keeps the token in the same transaction as the value, or forgets it when it
// is restarted.
func (s *Store) Put(token uint64, key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.raise("put "+key, token); err != nil {
		return err
	}
	if s.values == nil {
		s.values = map[string]string{}
	}
	s.values[key] = value
	return nil
}

// raise refuses a token that is smaller than one seen before.
func (s *Store) raise(operation string, token uint64) error {
	if token < s.newest {
		return fmt.Errorf("%s: token %d is of a former leader, %d leads: this process must end", operation, token, s.newest)
	}
	s.newest = token
	return nil
}

// Get returns a value, "" where there is none. It needs no token: a former leader
// may read, and what it makes of that, Put refuses.
func (s *Store) Get(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}
