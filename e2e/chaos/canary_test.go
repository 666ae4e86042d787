package chaos

import (
	"slices"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/chaos/verdict"
)

func TestCanary_KeepsWhatNobodyMade(t *testing.T) {
	t.Parallel()
	all := []string{"shop", "bar"}
	from := func(began, ended time.Duration) verdict.Fault {
		return verdict.Fault{Number: 2, Locks: all, Effect: verdict.Outage, Began: began, Ended: ended}
	}
	only := from(0, 10*time.Second)
	only.Locks = []string{"shop"}
	slow := from(0, 10*time.Second)
	slow.Effect = verdict.Slow
	for name, row := range map[string]struct {
		outage, made verdict.Fault
		want         []verdict.Fault
	}{
		"within it":               {from(2*time.Second, 4*time.Second), from(time.Second, 5*time.Second), nil},
		"from a moment before it": {from(900*time.Millisecond, 4*time.Second), from(time.Second, 5*time.Second), nil},
		"a moment longer":         {from(2*time.Second, 4200*time.Millisecond), from(time.Second, 4*time.Second), nil},
		"much longer":             {from(2*time.Second, 6*time.Second), from(time.Second, 4*time.Second), []verdict.Fault{from(4*time.Second, 6*time.Second)}},
		"long before it":          {from(0, 4*time.Second), from(3*time.Second, 5*time.Second), []verdict.Fault{from(0, 4*time.Second)}},
		"after it":                {from(6*time.Second, 7*time.Second), from(time.Second, 5*time.Second), []verdict.Fault{from(6*time.Second, 7*time.Second)}},
		"made to one lock":        {from(2*time.Second, 4*time.Second), only, []verdict.Fault{from(2*time.Second, 4*time.Second)}},
		"in what is only slow":    {from(2*time.Second, 4*time.Second), slow, []verdict.Fault{from(2*time.Second, 4*time.Second)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := unexplained([]verdict.Fault{row.outage}, []verdict.Fault{row.made})
			same := func(a, b verdict.Fault) bool { return a.String() == b.String() }
			if !slices.EqualFunc(got, row.want, same) {
				t.Errorf("left %v, want %v", got, row.want)
			}
		})
	}
}
