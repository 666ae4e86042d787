package scenarios

import (
	"errors"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const electionOff = `gate: {extraEnv: {K8S_AWAIT_ELECTION_ENABLED: ""}}`

// The proof at the end of each scenario would be worth nothing if it did not find
// two at once when the gate is turned off: in every way in which the scenarios run
// the recorder, wherever the records of the two are.
func TestProof_FindsTwoAtOnceWhereTheGateIsTurnedOff(t *testing.T) {
	needCluster(t)
	t.Parallel()
	for name, install := range map[string]func(*scenario){
		"on one node": func(s *scenario) {
			s.recorder().installNow(electionOff, "nodeSelector: {kubernetes.io/hostname: "+s.nodes(1)[0]+"}")
		},
		"on two nodes": func(s *scenario) {
			s.nodes(2)
			s.recorder().installNow(electionOff, apart)
		},
		"in a StatefulSet": func(s *scenario) {
			s.recorder().installNow(electionOff, "kind: StatefulSet")
		},
		"with traffic by label": func(s *scenario) {
			s.recorder().installNow(electionOff, "service: {mode: podLabel}")
		},
		"beside theirs": func(s *scenario) {
			needNodesHere(s.t)
			theirs := s.startTheirs("theirs-1", true)
			s.t.Cleanup(func() { close(theirs.finish) })
			s.recorder().installNow(electionOff, "replicas: 1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, nil)
			s.ungated = true
			install(s)
			s.await("two at once are seen", func() error {
				if len(record.Overlaps(s.runs())) == 0 {
					return errors.New("none are")
				}
				return nil
			})
		})
	}
}

// nodes are names of nodes, at least so many.
func (s *scenario) nodes(least int) []string {
	s.t.Helper()
	readers, err := site.everyReader(s.ctx)
	s.must(err)
	if len(readers) < least {
		s.t.Skipf("needs %d nodes, there are %d", least, len(readers))
	}
	var names []string
	for _, r := range readers {
		names = append(names, r.node)
	}
	return names
}

func TestTokensGrow_FindsATokenThatDoesNot(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		tokens []string
		grow   bool
	}{
		"each is greater":       {[]string{"9", "10", "11"}, true},
		"theirs have none":      {[]string{"9", "", "10", ""}, true},
		"one comes again":       {[]string{"9", "9"}, false},
		"one is smaller":        {[]string{"10", "9"}, false},
		"also with one between": {[]string{"10", "", "9"}, false},
		"one is no number":      {[]string{"x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var runs []record.Run
			for _, token := range row.tokens {
				runs = append(runs, record.Run{Token: token})
			}
			if err := tokensGrow(runs); (err == nil) != row.grow {
				t.Errorf("got %v", err)
			}
		})
	}
}
