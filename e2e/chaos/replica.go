package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// replica is a Pod, with the container that runs in it now.
type replica struct {
	fleet *fleet
	name  string
	// actor are arguments of the command.
	actor      []string
	proxy      *faultproxy.Proxy // nil for a lock on files
	kubeconfig string
	token      string // file
	uid        int    // number of the Pod of this name
	status     string // address
	// container is nil while there is none; restart says when there will be.
	container *stage.Container
	started   time.Duration
	restart   time.Time
}

// access makes the replica's own way to the API server: a proxy, and a token in a
// file.
func (r *replica) access() {
	f := r.fleet
	f.t.Helper()
	r.proxy = f.stage.Proxy(nil)
	folder := f.t.TempDir()
	r.token = filepath.Join(folder, "token")
	if err := r.setToken(f.newToken()); err != nil {
		f.t.Fatal(err)
	}
	config := f.config("")
	config.Host = "https://" + r.proxy.Addr()
	config.BearerTokenFile = r.token
	config.CAData = slices.Concat(config.CAData, f.answers.Config().CAData)
	r.kubeconfig = f.stage.Kubeconfig(folder, config)
}

// setToken replaces the token as the kubelet does it: by a rename. It may be
// called from any goroutine.
func (r *replica) setToken(token string) error {
	if err := os.WriteFile(r.token+".new", []byte(token), 0o600); err != nil {
		return err
	}
	return os.Rename(r.token+".new", r.token)
}

// start starts the container; elected is false for a command that runs at once.
func (r *replica) start(elected bool) {
	f := r.fleet
	f.t.Helper()
	command := append([]string{f.actor, "-file", f.file, "-name", r.name, "-beat", beat.String(), "-on", "USR1=3"}, r.actor...)
	pod := stage.Pod{
		Name: r.name, UID: fmt.Sprintf("%s-%d", r.name, r.uid),
		Env: map[string]string{}, Command: command, Kubeconfig: r.kubeconfig,
	}
	if r.status != "" {
		pod.Env["STATUS_ENDPOINT"] = r.status // its own, for as long as it is restarted
	}
	if !elected {
		pod.Env["ENABLED"] = ""
	}
	started, err := record.Now()
	if err != nil {
		f.t.Fatal(err)
	}
	r.started = started
	r.container = f.stage.Start(pod)
	r.status = r.container.Status
}

// running tells whether the gate has not ended.
func (r *replica) running() bool {
	if r.container == nil {
		return false
	}
	select {
	case <-r.container.Ended():
		return false
	default:
		return true
	}
}

// bury notes how the container ended, keeps its log and removes it.
func (r *replica) bury() {
	f := r.fleet
	f.t.Helper()
	status := r.container.ExitStatus()
	f.exits[status]++
	// A TERM that comes before main has the status 2 too, as process 1 has no
	// other way to end by a signal.
	crashed := status == 2 && (r.container.Line("goroutine ") != "" || r.container.Line("fatal error") != "")
	if crashed || slices.Contains([]int{1, 78, 126, 127}, status) {
		f.t.Errorf("a gate of %s, %s, ended with status %d", f.name, r.name, status)
	}
	r.keepLog()
	f.stage.Discard(r.container)
	r.container, r.restart = nil, time.Now().Add(backoff)
}

// keepLog appends what the container has logged to the replica's file.
func (r *replica) keepLog() {
	f := r.fleet
	f.t.Helper()
	log, err := os.OpenFile(filepath.Join(f.logs, f.name+"-"+r.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = fmt.Fprintf(log, "--- Pod %d, started at %s\n%s", r.uid, r.started, r.container.Log())
	if err != nil {
		f.t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		f.t.Fatal(err)
	}
}
