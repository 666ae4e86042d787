// Package kube tests internal/kube against a real kube-apiserver with etcd.
package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/internal/elector"
	"github.com/k8s-await-election/k8s-await-election/internal/kube"
)

// server is shared by all tests that do it no harm.
var server *apiserver.Server

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	kube.LogTo(quiet())
	var err error
	if server, err = apiserver.Start(context.Background(), apiserver.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return m.Run()
}

// record is a holder's record of 15 s.
func record(holder string) elector.Record {
	now := time.Date(2030, 1, 2, 3, 4, 5, 678901000, time.UTC)
	return elector.Record{HolderIdentity: holder, LeaseDuration: 15 * time.Second, AcquireTime: now, RenewTime: now}
}

// rule permits verbs on some names, or on all where names is empty.
func rule(group, resource string, verbs string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{group}, Resources: []string{resource},
		Verbs: strings.Fields(verbs), ResourceNames: names,
	}
}

func leaseRule(verbs string, names ...string) rbacv1.PolicyRule {
	return rule("coordination.k8s.io", "leases", verbs, names...)
}

// namespace makes a namespace for one test.
func namespace(t *testing.T) string {
	t.Helper()
	name, err := server.Namespace(t.Context(), "kube")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// user makes a client with these rights alone. Its name is that of the namespace.
func user(t *testing.T, namespace string, rules ...rbacv1.PolicyRule) *kube.Client {
	t.Helper()
	config, err := server.User(t.Context(), namespace, namespace+"-user", rules...)
	if err != nil {
		t.Fatal(err)
	}
	return client(t, config)
}

// admin is a client that may do anything.
func admin(t *testing.T) *kube.Client {
	t.Helper()
	return client(t, server.Config())
}

// client makes a client by way of a kubeconfig file, as a user would.
func client(t *testing.T, config *rest.Config) *kube.Client {
	t.Helper()
	c, err := kube.NewClient(kube.Options{Kubeconfig: kubeconfig(t, config), UserAgent: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := apiserver.WriteKubeconfig(path, config); err != nil {
		t.Fatal(err)
	}
	return path
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// journal is a log that a test reads while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// write makes the change and stops the test where it fails.
func write(t *testing.T, lock elector.Lock, from elector.Observation, to elector.Record) elector.Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen, err := lock.Write(ctx, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func read(t *testing.T, lock elector.Lock) elector.Observation {
	t.Helper()
	seen, err := lock.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// watch starts a watch and returns what it delivers, one by one, and how it
// ends.
func watch(t *testing.T, lock elector.Lock) (seen <-chan elector.Observation, ended <-chan error) {
	t.Helper()
	observations, end := make(chan elector.Observation, 100), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { end <- lock.Watch(ctx, func(o elector.Observation) { observations <- o }) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return observations, end
}

// next waits for what the watch delivers next. The wait is bounded by the test's
// own time.
func next(t *testing.T, seen <-chan elector.Observation, ended <-chan error) elector.Observation {
	t.Helper()
	select {
	case o := <-seen:
		return o
	case err := <-ended:
		t.Fatalf("the watch ended: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the watch delivers nothing")
	}
	panic("not reached")
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func mustSay(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}
