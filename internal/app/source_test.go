package app

import (
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// It stands beside an answer that names the leader, and must not contradict it.
func TestSource_GivesAReason(t *testing.T) {
	t.Parallel()
	s := source{identity: "pod-a", losing: "the command is being stopped"}
	for want, now := range map[string]elector.Status{
		"holds the lease": {Holding: true, ExpiresIn: time.Second, HolderIdentity: "pod-a", Known: true},
		"lost the lease, the command is being stopped":      {Holding: true, HolderIdentity: "pod-a", Known: true},
		"stands by, pod-b holds the lease":                  {HolderIdentity: "pod-b", Known: true},
		"stands by, nobody holds the lease":                 {Known: true},
		"stands by, nobody else is known to hold the lease": {HolderIdentity: "pod-a", Known: true},
		"the lock has not been read yet":                    {},
	} {
		if got := s.of(now).Reason; got != want {
			t.Errorf("%+v: %q, want %q", now, got, want)
		}
	}
}
