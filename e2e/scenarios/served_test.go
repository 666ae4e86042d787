package scenarios

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// served is who has answered through the Service.
type served struct {
	pod   string
	token uint64
}

// serviceURL is the recorder's Service by its address, for the host of our own
// cluster: neither names nor nodes are needed to get there.
func (s *scenario) serviceURL() string {
	s.t.Helper()
	service, err := s.client.CoreV1().Services(s.namespace).Get(s.ctx, "recorder", metav1.GetOptions{})
	s.must(err)
	return "http://" + net.JoinHostPort(service.Spec.ClusterIP, "8080") + "/"
}

// asking opens a connection for each request, so that each is led by the rules
// for the Service as they are then.
var asking = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// askFromHost asks the recorder who it is.
func askFromHost(ctx context.Context, url string) (served, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return served{}, err
	}
	response, err := asking.Do(request)
	if err != nil {
		return served{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return served{}, err
	}
	said := answer.FindSubmatch(text)
	if said == nil {
		return served{}, fmt.Errorf("the Service answers %s: %q", response.Status, text)
	}
	token, err := strconv.ParseUint(string(said[2]), 10, 64)
	return served{pod: string(said[1]), token: token}, err
}

// awaitServedByAnother waits until the Service leads the host to the leader of a
// later term. Unlike awaitSuccessor it asks no Pod that does not lead, and so
// works while a node or the API server is away.
func (s *scenario) awaitServedByAnother(url string, than leader) served {
	s.t.Helper()
	var by served
	s.await("the Service leads to another than "+than.name(), func() (err error) {
		by, err = askFromHost(s.ctx, url)
		if err == nil && by.token == than.token {
			return fmt.Errorf("it leads to %s", by.pod)
		}
		return err
	})
	if by.token < than.token {
		s.t.Errorf("the fencing token went from %d back to %d", than.token, by.token)
	}
	return by
}

// ledOn proves that the leader leads, in the same term and the same process, and
// that it was never interrupted.
func (s *scenario) ledOn(first leader) {
	s.t.Helper()
	if now := s.awaitLeader(); now.token != first.token || restarts(now.pod) != restarts(first.pod) {
		s.t.Errorf("%s led with the fencing token %d, and now %s with %d, after %d restarts",
			first.name(), first.token, now.name(), now.token, restarts(now.pod))
	}
	if runs := s.runs(); len(runs) != 1 || runs[0].Ended {
		s.t.Errorf("runs %v, want one that goes on", runs)
	}
}
