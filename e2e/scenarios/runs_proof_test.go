package scenarios

import (
	"errors"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// The proof of all other scenarios would be worth nothing if it were not noticed
// when the gate is turned off.
func TestProof_SeesTwoThatRunAtOnce(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.permitted = func(record.Overlap) bool { return true }
	s.recorder().installNow(`gate: {extraEnv: {K8S_AWAIT_ELECTION_ENABLED: ""}}`)
	s.await("two at once are seen", func() error {
		if len(record.Overlaps(s.runs())) == 0 {
			return errors.New("none are")
		}
		return nil
	})
}
