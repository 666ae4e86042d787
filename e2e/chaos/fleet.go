package chaos

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const (
	// beat is how finely overlaps are seen.
	beat = 5 * time.Millisecond
	// stopTimeout ends commands that do not heed TERM.
	stopTimeout = 2 * time.Second
	// backoff is the kubelet's pause before it starts a container again.
	backoff = 200 * time.Millisecond
	// account is the service account of all replicas.
	account = "gate"
)

// fleet is the replicas of one lock. All methods belong to the test's goroutine,
// unless they say otherwise.
type fleet struct {
	election
	t        *testing.T
	server   *apiserver.Server
	stage    *stage.Stage
	answers  *faultproxy.Answers // nil for a lock on files
	runs     *record.Reader
	file     string // in which commands note that they run
	actor    string
	logs     string // directory of what gates have logged
	locks    string // directory of a lock on files
	replicas []*replica
	exits    map[int]int // of gates, by their status
	lastLead *replica
	asked    time.Time // for settled, the last time
}

// newFleet makes everything but the containers.
func newFleet(t *testing.T, server *apiserver.Server, programs stage.Programs, e election, count int, out string) *fleet {
	t.Helper()
	f := &fleet{
		election: e, t: t, server: server, stage: stage.New(t, server, programs), actor: programs.Actor,
		file: filepath.Join(out, e.name+".runs"), logs: out, exits: map[int]int{},
	}
	f.runs = record.NewReader(f.file)
	t.Cleanup(func() {
		for _, r := range f.replicas {
			if r.container != nil {
				r.keepLog()
				f.stage.Discard(r.container) // the stage prints the logs of those that it still has
			}
		}
	})
	for name, value := range map[string]string{
		"LEASE_DURATION": e.lease.String(), "RENEW_DEADLINE": e.renew.String(), "RETRY_PERIOD": e.retry.String(),
		"STOP_TIMEOUT": stopTimeout.String(),
	} {
		f.stage.Env[name] = value
	}
	if e.store == files {
		f.locks = f.mountSmall()
		f.stage.Env["LOCK_TYPE"], f.stage.Env["LOCK_DIR"] = "file", f.locks
	} else {
		f.openAnswers()
	}
	for i := range count {
		r := &replica{fleet: f, name: string(rune('a' + i)), uid: 1}
		switch i % 3 {
		case 1:
			r.actor = []string{"-bear"}
		case 2:
			r.actor = []string{"-on", "TERM=say"}
		}
		if e.store == leases {
			r.access()
		}
		f.replicas = append(f.replicas, r)
	}
	return f
}

// openAnswers starts the proxy that speaks for a sick API server, as the fleet's
// service account, whoever asks.
func (f *fleet) openAnswers() {
	f.t.Helper()
	user := apiserver.ServiceAccountUser(f.stage.Namespace, account)
	if err := f.server.Grant(f.t.Context(), f.stage.Namespace, user, stage.Rules()...); err != nil {
		f.t.Fatal(err)
	}
	answers, err := faultproxy.Intercept(f.config(f.newToken()))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(answers.Close)
	f.answers = answers
}

func (f *fleet) newToken() string {
	f.t.Helper()
	token, err := f.server.Token(f.t.Context(), f.stage.Namespace, account)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

func (f *fleet) config(token string) *rest.Config {
	admin := f.server.Config()
	return &rest.Config{
		Host:            admin.Host,
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: admin.CAData},
		QPS:             -1,
	}
}

// all are the runs that have been noted so far.
func (f *fleet) all() []record.Run {
	f.t.Helper()
	runs, err := f.runs.Runs()
	if err != nil {
		f.t.Fatal(err)
	}
	return runs
}

// leader is the replica whose command runs, as far as its record tells; nil:
// nobody's.
func (f *fleet) leader() (leader *replica, run record.Run) {
	for _, run := range slices.Backward(f.all()) {
		if run.Ended || strings.Contains(run.Name, "'s ") {
			continue
		}
		for _, r := range f.replicas {
			if r.name == run.Name && r.running() && r.started < run.Started {
				f.lastLead = r
				return r, run
			}
		}
	}
	return nil, record.Run{}
}

// written tells whether the Lease is there and names somebody, with the mark of one of
// ours, for as long as all of them would have it.
func (f *fleet) written() bool {
	lease := f.stage.Lease()
	if lease == nil || lease.Spec.HolderIdentity == nil || lease.Spec.LeaseDurationSeconds == nil {
		return false
	}
	return *lease.Spec.HolderIdentity != "" && lease.Annotations[stage.InstanceAnnotation] != "" &&
		time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second >= f.lease
}

// between tells whether the last renewal is over and the next one some time away.
func (f *fleet) between() bool {
	lease := f.stage.Lease()
	if lease == nil || lease.Spec.RenewTime == nil {
		return false
	}
	age := time.Since(lease.Spec.RenewTime.Time)
	return age > f.retry/4 && age < f.retry*3/4
}

// settled tells whether every replica runs, and all of them say that the same one
// leads, which has a command.
func (f *fleet) settled() bool {
	if time.Since(f.asked) < lookAround {
		return false
	}
	f.asked = time.Now()
	leader := ""
	for _, r := range f.replicas {
		if !r.running() {
			return false
		}
		_, body := r.container.Get("/")
		var says struct {
			Leader string `json:"leader"`
		}
		if json.Unmarshal([]byte(body), &says) != nil || says.Leader == "" || leader != "" && says.Leader != leader {
			return false
		}
		leader = says.Leader
	}
	r, _ := f.leader()
	return r != nil && r.name == leader && f.written()
}
