package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/claims"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// Samples of sidecars.
const (
	sidecarTerm        = "sidecar_term_ms"         // TERM → another one's first «I lead» over HTTP
	sidecarAgain       = "sidecar_again_ms"        // started again after a kill → its first «I lead»
	sidecarHTTP        = "sidecar_http_overlap_ms" // two say over HTTP that they lead, for
	sidecarFile        = "sidecar_file_overlap_ms" // two leader files, for; STOP aside
	sidecarStopped     = "sidecar_stopped_file_ms" // CONT → the file of who was stopped is gone
	sidecarLeaderRSS   = "sidecar_leader_rss_bytes"
	sidecarStandbyRSS  = "sidecar_standby_rss_bytes"
	kubeletRestart     = 100 * time.Millisecond // less than a kubelet takes to start a container again
	stoppedAfterFollow = time.Second
)

// sidecars are the replicas of this project's sidecar on one Lease of their own.
// What they claim is followed by leader files and over HTTP.
type sidecars struct {
	fleet   *fleet
	all     []*sidecar
	answers *claims.Answers
	files   *claims.Files
}

type sidecar struct {
	*replica
	// again starts it, as a kubelet does, in the same Pod.
	again func() error
}

// sidecarFault is one thing that is done to the leader, and what it leaves.
type sidecarFault struct {
	name    string
	proxied bool
	measure func(*sidecars, context.Context) (map[string]float64, error)
}

var sidecarFaults = []sidecarFault{
	{name: "sidecar, TERM", measure: (*sidecars).term},
	{name: "sidecar, KILL", measure: (*sidecars).kill},
	{name: "sidecar, black hole", proxied: true, measure: (*sidecars).cut},
	{name: "sidecar, STOP", measure: (*sidecars).freeze},
}

// sidecarFault measures one run with sidecars of its own.
func (b *bench) sidecarFault(ctx context.Context, t tool, fault sidecarFault) (values map[string]float64, err error) {
	s, err := b.newSidecars(ctx, t, fault.proxied)
	defer func() {
		if err != nil && ctx.Err() == nil {
			progress("the sidecars' last words:\n%s", s.fleet.logs())
		}
		err = errors.Join(err, s.stop())
	}()
	if err != nil {
		return nil, err
	}
	if values, err = fault.measure(s, ctx); err != nil {
		return nil, err
	}
	values[sidecarHTTP] = ms(longest(s.answers.Runs()))
	if _, stopped := values[sidecarStopped]; !stopped {
		files, err := s.files.Runs()
		if err != nil {
			return nil, err
		}
		values[sidecarFile] = ms(longest(files))
	}
	return values, nil
}

func longest(runs []record.Run) time.Duration {
	var longest time.Duration
	for _, o := range record.Overlaps(runs) {
		longest = max(longest, o.For)
	}
	return longest
}

// newSidecars starts three. They must be stopped, also after an error.
func (b *bench) newSidecars(ctx context.Context, t tool, proxied bool) (*sidecars, error) {
	b.fleets++
	s := &sidecars{
		fleet:   &fleet{server: b.server, settings: b.settings, lease: fmt.Sprintf("lease-%d", b.fleets)},
		answers: claims.NewAnswers(),
	}
	var err error
	if s.files, err = claims.NewFiles(); err != nil {
		return s, err
	}
	for i := range replicas {
		name := replicaName(i)
		if err := s.add(ctx, b, t, filepath.Join(b.folder, s.fleet.lease, name), name, proxied); err != nil {
			return s, fmt.Errorf("start sidecar %s: %w", name, err)
		}
	}
	return s, nil
}

func (s *sidecars) add(ctx context.Context, b *bench, t tool, folder, name string, proxied bool) error {
	status := filepath.Join(folder, "status")
	if err := os.MkdirAll(status, 0o700); err != nil {
		return err
	}
	account, err := newAccount(ctx, b.server, b.namespace, s.fleet.lease+"-"+name)
	if err != nil {
		return err
	}
	r := &replica{name: name, user: account.user, logPath: filepath.Join(folder, "log"), endpoint: b.endpoint(len(s.all))}
	address := ""
	if proxied {
		if r.proxy, err = newProxy(ctx, b.server); err != nil {
			return err
		}
		address = r.proxy.Addr()
	}
	s.fleet.replicas = append(s.fleet.replicas, r)
	scene, run, err := account.write(b.server, folder, address)
	if err != nil {
		return err
	}
	if err := s.files.Watch(name, filepath.Join(status, "leader")); err != nil {
		return err
	}
	environment := []string{
		"K8S_AWAIT_ELECTION_LOCK_NAME=" + s.fleet.lease,
		"K8S_AWAIT_ELECTION_LOCK_NAMESPACE=" + scene.namespace,
		"K8S_AWAIT_ELECTION_IDENTITY=" + name,
		"K8S_AWAIT_ELECTION_LEASE_DURATION=" + b.settings.Lease.String(),
		"K8S_AWAIT_ELECTION_RENEW_DEADLINE=" + b.settings.Renew.String(),
		"K8S_AWAIT_ELECTION_RETRY_PERIOD=" + b.settings.Retry.String(),
		"K8S_AWAIT_ELECTION_STATUS_ENDPOINT=" + r.endpoint,
		"K8S_AWAIT_ELECTION_STATUS_DIR=" + status,
		"K8S_AWAIT_ELECTION_KUBECONFIG=" + scene.kubeconfig,
	}
	one := &sidecar{replica: r, again: func() error { return r.start(b.self, run, t.template[:1], environment) }}
	if err := one.again(); err != nil {
		return err
	}
	s.all = append(s.all, one)
	return nil
}

func (s *sidecars) stop() error {
	s.answers.Close()
	if s.files != nil {
		s.files.Close()
	}
	return s.fleet.stop()
}

// settled leaves them alone for a while, and returns the leader, with what they use
// of memory. From then on they are asked over HTTP.
func (s *sidecars) settled(ctx context.Context) (*sidecar, map[string]float64, error) {
	if err := pause(ctx, s.fleet.settings.Settle); err != nil {
		return nil, nil, err
	}
	runs, err := s.files.Runs()
	if err != nil {
		return nil, nil, err
	}
	if len(runs) != 1 {
		return nil, nil, fmt.Errorf("%d have led before anything happened", len(runs))
	}
	var leader *sidecar
	values := map[string]float64{}
	for _, one := range s.all {
		resident, _, err := memory(one.gate.Process.Pid)
		if err != nil {
			return nil, nil, err
		}
		if one.name == runs[0].Name {
			leader, values[sidecarLeaderRSS] = one, resident
		} else {
			values[sidecarStandbyRSS] = max(resident, values[sidecarStandbyRSS])
		}
	}
	for _, one := range s.all {
		s.answers.Ask(one.name, one.endpoint)
	}
	if _, err := s.after(ctx, 0); err != nil {
		return nil, nil, err
	}
	return leader, values, nil
}

// after waits for the claim over HTTP that follows n others.
func (s *sidecars) after(ctx context.Context, n int) (record.Run, error) {
	for deadline := time.Now().Add(s.fleet.patience()); ; {
		if runs := s.answers.Runs(); len(runs) > n {
			return runs[n], nil
		}
		if time.Now().After(deadline) {
			return record.Run{}, fmt.Errorf("no claim follows: not within %s", s.fleet.patience())
		}
		if err := pause(ctx, look); err != nil {
			return record.Run{}, err
		}
	}
}

func (s *sidecars) term(ctx context.Context) (map[string]float64, error) {
	leader, values, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	at, err := record.Now()
	if err != nil {
		return nil, err
	}
	leader.signal(syscall.SIGTERM)
	next, err := s.after(ctx, 1)
	if err != nil {
		return nil, err
	}
	values[sidecarTerm] = ms(next.Started - at)
	return values, nil
}

// kill kills the leader and starts it again, as a kubelet does.
func (s *sidecars) kill(ctx context.Context) (map[string]float64, error) {
	leader, values, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	leader.signal(syscall.SIGKILL)
	<-leader.ended
	if err := pause(ctx, kubeletRestart); err != nil {
		return nil, err
	}
	at, err := record.Now()
	if err != nil {
		return nil, err
	}
	if err := leader.again(); err != nil {
		return nil, err
	}
	next, err := s.after(ctx, 1)
	if err != nil {
		return nil, err
	}
	values[sidecarAgain] = ms(next.Started - at)
	return values, pause(ctx, s.fleet.settings.Lease) // would anybody else lead too?
}

// cut holds back everything between the leader and the API server.
func (s *sidecars) cut(ctx context.Context) (map[string]float64, error) {
	leader, values, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	leader.proxy.BlackHole()
	if _, err := s.after(ctx, 1); err != nil {
		return nil, err
	}
	return values, pause(ctx, stoppedAfterFollow)
}

// freeze stops the leader until another one leads, and a little longer.
func (s *sidecars) freeze(ctx context.Context) (map[string]float64, error) {
	leader, values, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	leader.signal(syscall.SIGSTOP)
	if _, err := s.after(ctx, 1); err != nil {
		return nil, err
	}
	if err := pause(ctx, stoppedAfterFollow); err != nil {
		return nil, err
	}
	at, err := record.Now()
	if err != nil {
		return nil, err
	}
	leader.signal(syscall.SIGCONT)
	for deadline := time.Now().Add(s.fleet.patience()); ; {
		runs, err := s.files.Runs()
		if err != nil {
			return nil, err
		}
		if runs[0].Ended {
			values[sidecarStopped] = ms(runs[0].Last - at)
			return values, pause(ctx, stoppedAfterFollow)
		}
		if time.Now().After(deadline) {
			return nil, errors.New("the leader file of who was stopped stays")
		}
		if err := pause(ctx, look); err != nil {
			return nil, err
		}
	}
}
