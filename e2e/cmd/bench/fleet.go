package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const (
	// look is how often the record is read. Nothing is measured by it.
	look = 20 * time.Millisecond
	// grace is what a kubelet gives after TERM before it kills.
	grace = 30 * time.Second
	// silent is how long a child must have written nothing to count as dead.
	silent = time.Second
)

// fleet is the replicas of one tool on one Lease of their own. All methods
// belong to the benchmark's main goroutine.
type fleet struct {
	server   *apiserver.Server
	settings Settings
	lease    string
	record   *record.Reader
	replicas []*replica
	// beat is the interval of the children's signs of life.
	beat time.Duration
}

type replica struct {
	name    string
	user    string
	logPath string
	// endpoint is where it answers over HTTP, if it was told so.
	endpoint string
	proxy    *faultproxy.Proxy // nil: straight to the server
	gate     *exec.Cmd
	began    time.Duration // when it was started last
	ended    chan struct{} // closed when the gate has ended
}

func replicaName(i int) string { return fmt.Sprintf("replica-%d", i+1) }

// replicas is how many a fleet has, unless their number is what is measured.
const replicas = 3

// finest is how often a child gives a sign of life where times are measured by
// them, leisurely where it is only to be there.
const (
	finest    = time.Millisecond
	leisurely = time.Second
)

// newFleet starts that many replicas. Proxied, each reaches the API server
// through a proxy of its own. The fleet must be stopped, also after an error.
func (b *bench) newFleet(ctx context.Context, t tool, size int, beat time.Duration, proxied bool) (*fleet, error) {
	b.fleets++
	f := &fleet{beat: beat, server: b.server, settings: b.settings, lease: fmt.Sprintf("lease-%d", b.fleets)}
	folder := filepath.Join(b.folder, f.lease)
	runs := filepath.Join(folder, "runs")
	f.record = record.NewReader(runs)
	var starts []func() error
	for i := range size {
		name := replicaName(i)
		start, err := f.add(ctx, b, t, filepath.Join(folder, name), runs, name, proxied)
		if err != nil {
			return f, fmt.Errorf("prepare %s: %w", name, err)
		}
		starts = append(starts, start)
	}
	if err := pause(ctx, digestion); err != nil {
		return f, err
	}
	for i, start := range starts {
		if err := start(); err != nil {
			return f, fmt.Errorf("start %s: %w", replicaName(i), err)
		}
	}
	return f, nil
}

// digestion is for what new accounts give the API server to do, before anybody uses them:
// a Pod's account is older than the Pod.
const digestion = time.Second

// add prepares a replica.
func (f *fleet) add(ctx context.Context, b *bench, t tool, folder, runs, name string, proxied bool) (start func() error, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	account, err := newAccount(ctx, f.server, b.namespace, f.lease+"-"+name)
	if err != nil {
		return nil, err
	}
	r := &replica{name: name, user: account.user, logPath: filepath.Join(folder, "log"), endpoint: b.endpoint(len(f.replicas))}
	address := ""
	if proxied {
		if r.proxy, err = newProxy(ctx, f.server); err != nil {
			return nil, err
		}
		address = r.proxy.Addr()
	}
	f.replicas = append(f.replicas, r)
	s, run, err := account.write(f.server, folder, address)
	if err != nil {
		return nil, err
	}
	s.identity, s.lease, s.endpoint = name, f.lease, r.endpoint
	s.leaseDuration, s.renewDeadline, s.retryPeriod = f.settings.Lease, f.settings.Renew, f.settings.Retry
	s.child = []string{b.recorder, "-file", runs, "-name", name, "-beat", f.beat.String()}
	command, err := t.command(s)
	if err != nil {
		return nil, err
	}
	return func() error { return r.start(b.self, run, command, s.environment()) }, nil
}

func (r *replica) start(self, run string, command, environment []string) error {
	log, err := os.Create(r.logPath)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the gate has its own copy
	gate := sandboxed(self, run, command)
	gate.Env = environment
	gate.Stdout, gate.Stderr = log, log
	if r.began, err = record.Now(); err != nil {
		return err
	}
	if err := gate.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("%w: new namespaces are refused; run the benchmark as root", err)
		}
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = gate.Wait() // that it has ended is all that counts
		close(ended)
	}()
	r.gate, r.ended = gate, ended
	return nil
}

func (r *replica) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// processes is the /proc of its PID namespace.
func (r *replica) processes() string { return fmt.Sprintf("/proc/%d/root/proc", r.gate.Process.Pid) }

// endpoint is an address for one replica of the newest fleet. On an address of the
// loopback from which nobody connects, all ports are free; another benchmark that
// runs at the same time has others.
func (b *bench) endpoint(replica int) string {
	const values = 250 // of a byte, that are used
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+pid/values%values, pid%values, 1+b.fleets%values, 10_000+b.fleets/values*1000+replica)
}

// signal sends to the gate; one that has ended is no error.
func (r *replica) signal(s syscall.Signal) { _ = r.gate.Process.Signal(s) }

func (f *fleet) replica(name string) (*replica, error) {
	for _, r := range f.replicas {
		if r.name == name {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no replica is called %q", name)
}

// stop kills what is left: with process 1 goes all of its namespace.
func (f *fleet) stop() error {
	var errs []error
	for _, r := range f.replicas {
		if r.gate != nil {
			r.signal(syscall.SIGKILL)
		}
	}
	for _, r := range f.replicas {
		if r.gate != nil {
			<-r.ended
		}
		if r.proxy != nil {
			errs = append(errs, r.proxy.Close())
		}
	}
	return errors.Join(errs...)
}

// until waits until the record satisfies done.
func (f *fleet) until(ctx context.Context, limit time.Duration, what string, done func([]record.Run) bool) error {
	for deadline := time.Now().Add(limit); ; {
		runs, err := f.record.Runs()
		if err != nil {
			return err
		}
		if done(runs) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, limit)
		}
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
}

// led waits until one child runs, and returns its run and its gate.
func (f *fleet) led(ctx context.Context) (leader record.Run, gate *replica, err error) {
	err = f.until(ctx, f.patience(), "the first child", func(runs []record.Run) bool { return len(runs) > 0 })
	if err != nil {
		return leader, nil, err
	}
	runs, err := f.record.Runs()
	if err != nil {
		return leader, nil, err
	}
	if leader = runs[0]; len(runs) > 1 || leader.Ended {
		return leader, nil, fmt.Errorf("%d children were started before anything happened", len(runs))
	}
	gate, err = f.replica(leader.Name)
	return leader, gate, err
}

// settled waits until one child runs and every replica has spoken to the API
// server, then leaves them alone for a while. It returns what led does.
func (f *fleet) settled(ctx context.Context) (leader record.Run, gate *replica, err error) {
	if _, _, err = f.led(ctx); err != nil {
		return leader, nil, err
	}
	for deadline := time.Now().Add(f.patience()); ; {
		seen, err := f.seen()
		if err != nil {
			return leader, nil, err
		}
		if seen {
			break
		}
		if time.Now().After(deadline) {
			return leader, nil, errors.New("a replica has not sent any request")
		}
		if err := pause(ctx, 10*look); err != nil {
			return leader, nil, err
		}
	}
	if err := pause(ctx, f.settings.Settle); err != nil {
		return leader, nil, err
	}
	return f.led(ctx)
}

// seen reports whether the audit log has requests of every replica.
func (f *fleet) seen() (bool, error) {
	requests, err := f.server.Requests("")
	if err != nil {
		return false, err
	}
	spoke := map[string]bool{}
	for _, q := range requests {
		spoke[q.User.Username] = true
	}
	for _, r := range f.replicas {
		if !spoke[r.user] {
			return false, nil
		}
	}
	return true, nil
}

// next waits for the child that is started after the old one.
func (f *fleet) next(ctx context.Context, old record.Run) (next record.Run, err error) {
	err = f.until(ctx, f.patience(), "the next child", func(runs []record.Run) (found bool) {
		next, found = record.After(runs, old)
		return found
	})
	return next, err
}

// gone waits until the old child is dead, and returns its run in full.
func (f *fleet) gone(ctx context.Context, old record.Run) (record.Run, error) {
	err := f.until(ctx, f.patience(), "the end of the old child", func(runs []record.Run) bool {
		for _, r := range runs {
			if r.Started == old.Started && r.Name == old.Name {
				old = r
			}
		}
		now, err := record.Now()
		return err == nil && (old.Ended || now-old.Last > silent)
	})
	return old, err
}

// patience is enough for the slowest tool that works at all.
func (f *fleet) patience() time.Duration { return f.settings.patience() }

func (s Settings) patience() time.Duration { return 3*s.Lease + grace }

// overlap is the longest time that two children of the fleet ran at once.
func (f *fleet) overlap() (time.Duration, error) {
	runs, err := f.record.Runs()
	if err != nil {
		return 0, err
	}
	var longest time.Duration
	for _, o := range record.Overlaps(runs) {
		longest = max(longest, o.For)
	}
	return longest, nil
}

// expiry is when the lease that the user renewed last runs out, on
// CLOCK_BOOTTIME: the lease's duration after the API server received the last
// write of the Lease that it accepted from that user. No candidate can have
// learnt of the renewal earlier.
func (f *fleet) expiry(user string) (time.Duration, error) {
	requests, err := f.server.Requests(user)
	if err != nil {
		return 0, err
	}
	var renewed time.Time
	for _, q := range requests {
		writes := q.Verb == "update" || q.Verb == "patch" || q.Verb == "create"
		if writes && q.ObjectRef.Name == f.lease && q.Stage == "ResponseComplete" && q.ResponseStatus.Code/100 == 2 && q.Received.After(renewed) {
			renewed = q.Received
		}
	}
	if renewed.IsZero() {
		return 0, fmt.Errorf("the audit log has no renewal by %s", user)
	}
	boot, err := record.Now()
	if err != nil {
		return 0, err
	}
	// Round takes Go's monotonic reading away: two wall clocks are compared.
	return boot - time.Now().Round(0).Sub(renewed) + f.settings.Lease, nil
}

// logs are the last lines of each replica.
func (f *fleet) logs() string {
	const lines = 8
	var b strings.Builder
	for _, r := range f.replicas {
		text, err := os.ReadFile(r.logPath)
		if err != nil {
			continue
		}
		log := strings.Split(strings.TrimSpace(string(text)), "\n")
		for _, line := range log[max(0, len(log)-lines):] {
			fmt.Fprintf(&b, "    %s: %s\n", r.name, line)
		}
	}
	return b.String()
}

// pause waits, or returns why ctx has ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
