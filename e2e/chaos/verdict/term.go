package verdict

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// tolerance is for what happens between a leader's last sign of life and its end,
// beside the pause to the next one.
const tolerance = 100 * time.Millisecond

// term is the life of one elected command with all that it has started.
type term struct {
	run   record.Run // of the command itself
	last  time.Duration
	token uint64
}

// String names the term for reports.
func (t term) String() string { return t.run.String() }

// descends tells whether the run notes by its name that it is something the
// command has started, and names the command's replica.
func descends(run record.Run) (replica string, does bool) {
	replica, _, does = strings.Cut(run.Name, "'s ")
	return replica, does
}

// terms joins commands and their descendants. The runs are in the order of their
// starts, and so are the terms. What has no command that it could belong to is a
// term of its own.
func terms(runs []record.Run) (all []term, mistakes []string) {
	byToken := map[string]int{}
	for _, run := range runs {
		replica, descendant := descends(run)
		if i, known := byToken[run.Token]; known && descendant && all[i].run.Name == replica && run.Token != "" {
			all[i].last = max(all[i].last, run.Last)
			continue
		}
		t := term{run: run, last: run.Last}
		token, err := strconv.ParseUint(run.Token, 10, 64)
		if err != nil {
			mistakes = append(mistakes, fmt.Sprintf("%s has a fencing token that is no number", run))
		} else if n := len(all); n > 0 && token <= all[n-1].token {
			mistakes = append(mistakes, fmt.Sprintf("%s has a fencing token that is not greater than that of %s before it", run, all[n-1]))
		}
		t.token = token
		byToken[run.Token] = len(all)
		all = append(all, t)
	}
	return all, mistakes
}
