package scenarios

import (
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// frozen is a time for which everything on a leader's node stood still. The times
// are those of the records.
type frozen struct {
	pod      string
	from, to time.Duration
}

// excuses tells whether the overlap is of the Pod that stood still, with one that
// started meanwhile.
func (f frozen) excuses(o record.Overlap) bool {
	asleep := o.Earlier.Silent <= f.from && f.to <= o.Earlier.Silent+o.Earlier.Silence
	return asleep && o.Earlier.Name == f.pod && f.from < o.Later.Started && o.Later.Started < f.to
}

// freeze freezes the leader's node. What thaws it permits the overlap that nobody
// promised not to happen.
func (s *scenario) freeze(node *cluster.Node, l leader) (thaw func()) {
	s.t.Helper()
	s.must(node.Freeze(s.ctx))
	from, err := record.Now()
	s.must(err)
	return func() {
		s.t.Helper()
		to, err := record.Now()
		s.must(err)
		s.frozen = append(s.frozen, frozen{pod: l.name(), from: from, to: to})
		s.must(node.Thaw())
	}
}

func TestFrozen_ExcusesOverlapsOfTheOneThatStoodStillAlone(t *testing.T) {
	t.Parallel()
	f := frozen{pod: "a", from: 10 * time.Second, to: 50 * time.Second}
	for name, row := range map[string]struct {
		change  func(*record.Overlap)
		excused bool
	}{
		"the one that stood still":             {func(*record.Overlap) {}, true},
		"another Pod":                          {func(o *record.Overlap) { o.Earlier.Name = "c" }, false},
		"a Pod that was heard of meanwhile":    {func(o *record.Overlap) { o.Earlier.Silence = 30 * time.Second }, false},
		"a Pod that fell silent afterwards":    {func(o *record.Overlap) { o.Earlier.Silent = 11 * time.Second }, false},
		"with one that started before":         {func(o *record.Overlap) { o.Later.Started = 9 * time.Second }, false},
		"with one that started after the thaw": {func(o *record.Overlap) { o.Later.Started = 51 * time.Second }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := record.Overlap{
				Earlier: record.Run{Name: "a", Silent: 9 * time.Second, Silence: 42 * time.Second},
				Later:   record.Run{Name: "b", Started: 25 * time.Second},
			}
			row.change(&o)
			if got := f.excuses(o); got != row.excused {
				t.Errorf("excused: %t", got)
			}
		})
	}
}
