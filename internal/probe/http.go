package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxBody is how much of an answer is read: as much as the kubelet reads.
const maxBody = 10 << 10

// httpHandler asks as the kubelet does (pkg/probe/http of Kubernetes 1.36): GET
// on a new connection, past any proxy, certificates unchecked, redirects
// followed on the same host only.
func httpHandler(get *HTTPGet, host, version string) handler {
	transport := &http.Transport{
		// A connection that is kept would hide a server that has stopped
		// accepting new ones.
		DisableKeepAlives:  true,
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
		// A probe asks whether the server answers. It sends no secret, and the
		// certificate is for the Service's name, not for the Pod's address.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	client := &http.Client{Transport: transport, CheckRedirect: stayOnHost}
	target := address(get, host)
	// A query may hold a secret, and messages go to logs and to whoever asks.
	shown := *target
	shown.RawQuery, shown.Fragment = "", ""
	name := "GET " + shown.String()
	return func(ctx context.Context) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, bare(err))
		}
		setHeaders(request, get.Headers, version)
		answer, err := client.Do(request)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, bare(err))
		}
		defer func() { _ = answer.Body.Close() }()
		// Nothing of the body is repeated, as in the kubelet's messages: with a
		// redirect or a foreign host it may be somebody else's secret.
		if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody)); err != nil {
			return "", fmt.Errorf("%s: read the answer: %w", name, err)
		}
		switch {
		case answer.StatusCode < 200 || answer.StatusCode >= 400:
			return "", fmt.Errorf("%s: status %d", name, answer.StatusCode)
		case answer.StatusCode >= 300:
			return fmt.Sprintf("%s: redirect to another host not followed, status %d", name, answer.StatusCode), nil
		}
		return "", nil
	}
}

// address makes the URL. The path may carry a query; a path that cannot be
// parsed is sent as it is.
func address(get *HTTPGet, host string) *url.URL {
	target, err := url.Parse(get.Path)
	if err != nil {
		target = &url.URL{Path: get.Path}
	}
	if get.Host != "" {
		host = get.Host
	}
	target.Scheme = strings.ToLower(get.Scheme)
	target.User = nil
	target.Host = net.JoinHostPort(host, strconv.Itoa(get.Port))
	return target
}

func setHeaders(request *http.Request, headers []Header, version string) {
	for _, header := range headers {
		request.Header.Add(header.Name, header.Value)
	}
	if request.Header["User-Agent"] == nil {
		request.Header.Set("User-Agent", userAgent(version))
	}
	if request.Header["Accept"] == nil {
		request.Header.Set("Accept", "*/*")
	} else if request.Header.Get("Accept") == "" {
		request.Header.Del("Accept")
	}
	// net/http takes the host from here, and ignores the header.
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
}

func userAgent(version string) string { return "k8s-await-election/" + version }

// stayOnHost follows up to ten redirects, and none to another host: that one's
// health is not the command's.
func stayOnHost(next *http.Request, via []*http.Request) error {
	if next.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}
