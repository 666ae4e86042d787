// Package stage lets gates play against each other on a real API server: it
// builds the program, starts it as a container of a Pod would (process 1 of a
// PID namespace, with the Pod's network namespace where that matters), gives it
// a command that notes when it runs, and hurts it.
//
// It guarantees that every stage ends with the proof that never two commands of
// different terms ran at once, as finely as the actors note that they run, and
// that nothing it started outlives the test. It asserts nothing about time: its
// waits end with a condition, or fail the test after a minute.
//
// Without root a gate is not process 1, and what needs namespaces is skipped by
// its name (NeedRoot). The tests of e2e/gate, e2e/interop and e2e/sidecar are its
// callers. Linux only.
package stage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const (
	// patience bounds every wait. Generous: many tests share few cores.
	patience = time.Minute
	// look is how often a condition is looked at.
	look = 5 * time.Millisecond
)

// LockName is the name of the Lease of every stage.
const LockName = "shop"

// Annotations of the Lease, spelled out apart from the program: what is stored must not
// change with it.
const (
	InstanceAnnotation = "k8s-await-election/instance"
	HeirAnnotation     = "k8s-await-election/heir"
)

// Rules are all that a gate needs for its Lease.
func Rules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{LockName},
		Verbs: []string{"get", "list", "watch", "create", "update"},
	}}
}

// Stage is one lock in a namespace of its own, and all that compete for it. Its
// methods are for the test's goroutine.
type Stage struct {
	// Record is the file in which commands note that they run.
	Record string
	// Env is what every gate is told, unless its Pod says otherwise.
	Env map[string]string
	// Namespace is the lock's, User the user of its gates.
	Namespace, User string
	// Config is that user's access.
	Config *rest.Config

	t          *testing.T
	server     *apiserver.Server
	programs   Programs
	folder     string
	started    int
	containers []*Container
}

// New makes a stage on which leases are short. Its user has the given rights, or
// Rules where there are none.
func New(t *testing.T, server *apiserver.Server, programs Programs, rules ...rbacv1.PolicyRule) *Stage {
	t.Helper()
	namespace, err := server.Namespace(t.Context(), "stage")
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) == 0 {
		rules = Rules()
	}
	s := &Stage{
		Namespace: namespace,
		User:      namespace,
		t:         t,
		server:    server,
		programs:  programs,
		folder:    t.TempDir(),
	}
	s.Record = filepath.Join(s.folder, "runs")
	if s.Config, err = server.User(t.Context(), namespace, s.User, rules...); err != nil {
		t.Fatal(err)
	}
	s.Env = map[string]string{
		"ENABLED": "1", "NAME": LockName, "LOCK_NAME": LockName, "LOCK_NAMESPACE": namespace,
		"LEASE_DURATION": "3", "RENEW_DEADLINE": "2", "RETRY_PERIOD": "500ms",
	}
	t.Cleanup(s.end)
	return s
}

// LongLeases makes the leases of all Pods so long that nothing happens because
// one has expired.
func (s *Stage) LongLeases() {
	maps.Copy(s.Env, map[string]string{"LEASE_DURATION": "600", "RENEW_DEADLINE": "400", "RETRY_PERIOD": "500ms"})
}

// NeedRoot skips the test where it is not run as root.
func NeedRoot(t *testing.T) {
	t.Helper()
	if !IsRoot() {
		t.Skipf("%s needs root, for namespaces", t.Name())
	}
}

// end kills all containers and judges what the record says.
func (s *Stage) end() {
	for _, c := range s.containers {
		if err := c.kill(); err != nil {
			s.t.Error(err)
		}
	}
	for _, o := range record.Overlaps(s.Runs()) {
		// What one command has started runs beside it.
		if o.Earlier.Token != o.Later.Token || o.Earlier.Token == "" {
			s.t.Errorf("%s", o)
		}
	}
	if s.t.Failed() {
		s.t.Log(s.logs())
	}
}

// logs are the last lines that every container has written.
func (s *Stage) logs() string {
	var b strings.Builder
	for _, c := range s.containers {
		for name, text := range map[string]string{"stdout": c.Output(), "stderr": c.Log()} {
			const most = 20
			lines := strings.SplitAfter(text, "\n")
			fmt.Fprintf(&b, "--- %s of %s, %d lines\n%s", name, c.Pod.Name, len(lines)-1, strings.Join(lines[max(0, len(lines)-most):], ""))
		}
	}
	return b.String()
}

// addresses counts the status servers of this process.
var addresses atomic.Uint32

// Address is one that nobody else listens on: process ids are at most 22 bits
// long, and on the machines that tests run on as a rule 15.
func Address() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+pid>>8%126, pid%256, 1+addresses.Add(1)%250, 20000+pid>>15)
}

// Start starts a container of the Pod.
func (s *Stage) Start(p Pod) *Container {
	s.t.Helper()
	s.started++
	folder := filepath.Join(s.folder, fmt.Sprintf("%d-%s", s.started, p.Name))
	if err := os.Mkdir(folder, 0o755); err != nil {
		s.t.Fatal(err)
	}
	status := Address()
	defaults := maps.Clone(s.Env)
	defaults["IDENTITY"], defaults["POD_UID"], defaults["STATUS_ENDPOINT"] = p.Name, p.UID, status
	defaults["KUBECONFIG"] = s.kubeconfig(folder, p)
	command := slices.Concat(p.Wrapper, []string{s.programs.Gate}, p.Command)
	if p.Command == nil {
		command = append(command, s.programs.Actor, "-file", s.Record, "-name", p.Name)
		command = append(command, p.Actor...)
	}
	c, err := start(folder, p, p.environ(defaults), command)
	if err != nil {
		s.t.Fatal(err)
	}
	c.Status = status
	if p.Status != "" {
		c.Status = p.Status
	}
	if own, set := p.Env["STATUS_ENDPOINT"]; set {
		c.Status = own
	}
	s.containers = append(s.containers, c)
	return c
}

// kubeconfig writes the Pod's access to the API server.
func (s *Stage) kubeconfig(folder string, p Pod) string {
	s.t.Helper()
	if p.Kubeconfig != "" {
		return p.Kubeconfig
	}
	config := rest.CopyConfig(s.Config)
	if p.Proxy != nil {
		config.Host = "https://" + p.Proxy.Addr()
	}
	return s.Kubeconfig(folder, config)
}

// Kubeconfig writes the access into a file of the folder; an empty folder is one
// of the stage's.
func (s *Stage) Kubeconfig(folder string, config *rest.Config) string {
	s.t.Helper()
	if folder == "" {
		folder = s.t.TempDir()
	}
	path := filepath.Join(folder, "kubeconfig")
	if err := apiserver.WriteKubeconfig(path, config); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// Proxy starts a proxy in front of the API server, in the network namespace if
// there is one.
func (s *Stage) Proxy(n *Network) *faultproxy.Proxy {
	s.t.Helper()
	address, err := url.Parse(s.server.Config().Host)
	if err != nil {
		s.t.Fatal(err)
	}
	var p *faultproxy.Proxy
	if n != nil {
		p, err = n.Proxy(s.t.Context(), address.Host)
	} else {
		p, err = faultproxy.Listen(s.t.Context(), address.Host)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = p.Close() })
	return p
}

// Grant replaces the rights of the stage's user.
func (s *Stage) Grant(rules ...rbacv1.PolicyRule) {
	s.t.Helper()
	if err := s.server.Grant(s.t.Context(), s.Namespace, s.User, rules...); err != nil {
		s.t.Fatal(err)
	}
}

// Discard kills a container, if it still runs, and forgets it with its files:
// for tests that start very many.
func (s *Stage) Discard(c *Container) {
	s.t.Helper()
	if err := errors.Join(c.kill(), os.RemoveAll(c.folder)); err != nil {
		s.t.Error(err)
	}
	s.containers = slices.DeleteFunc(s.containers, func(other *Container) bool { return other == c })
}

// Runs are what the record says so far.
func (s *Stage) Runs() []record.Run {
	runs, err := record.Read(s.Record)
	if err != nil {
		s.t.Error(err)
	}
	return runs
}

// Await waits until the condition holds.
func (s *Stage) Await(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(look) {
		if time.Now().After(deadline) {
			s.t.Fatalf("never: %s", what)
		}
	}
}

// AwaitLine waits for a line with all the words in the container's log, and
// returns it. The end of the gate without it fails the test.
func (s *Stage) AwaitLine(c *Container, words ...string) string {
	s.t.Helper()
	line := ""
	s.Await(fmt.Sprintf("%s logs %q", c.Pod.Name, words), func() bool {
		ended := false
		select {
		case <-c.Ended():
			ended = true
		default:
		}
		line = c.Line(words...)
		if line == "" && ended {
			s.t.Fatalf("%s ended with status %d without logging %q", c.Pod.Name, c.ExitStatus(), words)
		}
		return line != ""
	})
	return line
}

// AwaitOutput waits until the container's command has printed the text.
func (s *Stage) AwaitOutput(c *Container, text string) {
	s.t.Helper()
	s.Await(fmt.Sprintf("%s's command prints %q", c.Pod.Name, text), func() bool { return strings.Contains(c.Output(), text) })
}

// AwaitExit waits for the end of the gate and returns its exit status.
func (s *Stage) AwaitExit(c *Container) int {
	s.t.Helper()
	select {
	case <-c.Ended():
	case <-time.After(patience):
		s.t.Fatalf("%s does not end", c.Pod.Name)
	}
	return c.ExitStatus()
}

// AwaitLeader waits until the container's command runs.
func (s *Stage) AwaitLeader(c *Container) {
	s.t.Helper()
	s.AwaitLine(c, `msg="command started"`)
	if c.Pod.Command == nil {
		s.AwaitOutput(c, c.Pod.Name+": started")
	}
}

// AwaitStandby waits until the container knows that somebody else leads, and,
// where that is a gate, is its heir.
func (s *Stage) AwaitStandby(c *Container) {
	s.t.Helper()
	s.AwaitLine(c, `msg="next in line"`)
}

// AwaitCode waits until the status server answers a path with the code, and
// returns the body.
func (s *Stage) AwaitCode(c *Container, path string, code int) string {
	s.t.Helper()
	var got int
	var body string
	s.Await(fmt.Sprintf("%s answers %s with %d", c.Pod.Name, path, code), func() bool {
		got, body = c.Get(path)
		return got == code
	})
	return body
}

// Lease is the lock now; nil: it does not exist.
func (s *Stage) Lease() *coordinationv1.Lease {
	s.t.Helper()
	lease, err := s.server.Client().CoordinationV1().Leases(s.Namespace).Get(context.WithoutCancel(s.t.Context()), LockName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return lease
}

// EditLease changes the lock by hand, as an administrator, however often it
// changes meanwhile.
func (s *Stage) EditLease(edit func(*coordinationv1.Lease)) *coordinationv1.Lease {
	s.t.Helper()
	for {
		lease := s.Lease()
		edit(lease)
		lease, err := s.server.Client().CoordinationV1().Leases(s.Namespace).Update(s.t.Context(), lease, metav1.UpdateOptions{})
		if err == nil {
			return lease
		}
		if !apierrors.IsConflict(err) {
			s.t.Fatal(err)
		}
	}
}

// DeleteLease deletes the lock by hand.
func (s *Stage) DeleteLease() {
	s.t.Helper()
	if err := s.server.Client().CoordinationV1().Leases(s.Namespace).Delete(s.t.Context(), LockName, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}
