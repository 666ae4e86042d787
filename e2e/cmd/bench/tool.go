package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// tool is a command line that is measured.
type tool struct {
	name     string
	template []string
	// ours: it is this project's, so it is a sidecar too, and its electors can be
	// had without it.
	ours bool
}

// parseTool reads NAME=COMMAND LINE. Words are split at white space; there is
// no quoting, a script serves where it would be needed.
func parseTool(text string) (tool, error) {
	name, line, found := strings.Cut(text, "=")
	words := strings.Fields(line)
	switch {
	case !found || strings.TrimSpace(name) == "" || len(words) == 0:
		return tool{}, errors.New("want NAME=COMMAND LINE, as in 'other=/usr/bin/other --lock {lease} -- {child}'")
	case !strings.Contains(line, "{child}"):
		return tool{}, errors.New("the command line has no {child}, the command to elect")
	}
	t := tool{name: strings.TrimSpace(name), template: words}
	_, err := t.command(scene{child: []string{"child"}})
	return t, err
}

// scene is what one replica is told, by placeholders and by its environment.
type scene struct {
	identity, namespace, lease   string
	kubeconfig                   string
	host, port                   string
	endpoint                     string
	leaseDuration, renewDeadline time.Duration
	retryPeriod                  time.Duration
	child                        []string
}

// placeholder is what a mistyped one looks like, and JSON does not.
var placeholder = regexp.MustCompile(`{[^"{}]+}`)

// command fills in the placeholders. {child} as a word of its own becomes the
// words of the command; within a word they are joined by spaces.
func (t tool) command(s scene) ([]string, error) {
	fill := strings.NewReplacer(
		"{identity}", s.identity,
		"{namespace}", s.namespace,
		"{lease}", s.lease,
		"{kubeconfig}", s.kubeconfig,
		"{endpoint}", s.endpoint,
		"{lease-duration}", s.leaseDuration.String(),
		"{renew-deadline}", s.renewDeadline.String(),
		"{retry-period}", s.retryPeriod.String(),
		"{child}", strings.Join(s.child, " "),
	)
	known := strings.NewReplacer("{identity}", "", "{namespace}", "", "{lease}", "", "{kubeconfig}", "", "{endpoint}", "",
		"{lease-duration}", "", "{renew-deadline}", "", "{retry-period}", "", "{child}", "")
	var command []string
	for _, word := range t.template {
		if word == "{child}" {
			command = append(command, s.child...)
			continue
		}
		if placeholder.MatchString(known.Replace(word)) {
			return nil, fmt.Errorf("unknown placeholder in %q", word)
		}
		command = append(command, fill.Replace(word))
	}
	return command, nil
}

// shown is the command line without the folder of the program.
func (t tool) shown() string {
	return strings.Join(append([]string{filepath.Base(t.template[0])}, t.template[1:]...), " ")
}

// environment is what LINBIT's k8s-await-election understands, and with it this
// project's; KUBECONFIG; and what a Pod has, for those who accept nothing else.
// Nothing is passed on from the benchmark's own, a proxy's address least.
func (s scene) environment() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"K8S_AWAIT_ELECTION_ENABLED=1",
		"K8S_AWAIT_ELECTION_NAME=bench",
		"K8S_AWAIT_ELECTION_LOCK_NAME=" + s.lease,
		"K8S_AWAIT_ELECTION_LOCK_NAMESPACE=" + s.namespace,
		"K8S_AWAIT_ELECTION_IDENTITY=" + s.identity,
		"K8S_AWAIT_ELECTION_LEASE_DURATION=" + s.leaseDuration.String(),
		"K8S_AWAIT_ELECTION_RENEW_DEADLINE=" + s.renewDeadline.String(),
		"K8S_AWAIT_ELECTION_RETRY_PERIOD=" + s.retryPeriod.String(),
		"KUBECONFIG=" + s.kubeconfig,
		"KUBERNETES_SERVICE_HOST=" + s.host,
		"KUBERNETES_SERVICE_PORT=" + s.port,
	}
}
