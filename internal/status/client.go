package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const (
	// clientTimeout is for a whole exchange.
	clientTimeout = 10 * time.Second
	// maxBody is how much of an answer is read.
	maxBody = 1 << 20
)

// Check is --check: it GETs target (http or https, the system's certificates,
// no proxy), writes the body of the answer to out, and returns nil if the
// status is 2xx, also after redirects. The error names URL and status; a
// password in the URL is not repeated.
func Check(ctx context.Context, target string, out io.Writer) error {
	const form = "it must be a URL with http or https and a host, for example http://my-service:8080/healthz"
	address, err := url.Parse(target)
	// What url.Parse says would repeat all of it.
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return errors.New("check: " + form)
	}
	code, body, err := get(ctx, target, &http.Transport{DisableKeepAlives: true})
	if err != nil {
		return fmt.Errorf("check %s: %w", address.Redacted(), err)
	}
	if _, err := out.Write(body); err != nil {
		return fmt.Errorf("check %s: print the answer: %w", address.Redacted(), err)
	}
	if code < 200 || code > 299 {
		return fmt.Errorf("check %s: status %d %s", address.Redacted(), code, http.StatusText(code))
	}
	return nil
}

// Show is --status: it asks the server that listens on endpoint (the value of
// STATUS_ENDPOINT, in the same container) and writes who leads, since when, and
// why.
func Show(ctx context.Context, endpoint string, out io.Writer) error {
	address, err := dialAddress(endpoint)
	if err != nil {
		return err
	}
	code, body, err := get(ctx, "http://localhost/", &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	})
	if err != nil {
		return fmt.Errorf("status: ask %s (%s): %w; is k8s-await-election running in this container?", address, Endpoint, err)
	}
	var o object
	if json.Unmarshal(body, &o) != nil || o.Status == "" {
		return fmt.Errorf("status: %s (%s) answers with status %d and no status object: does another program listen there?", address, Endpoint, code)
	}
	if _, err := io.WriteString(out, o.String()); err != nil {
		return fmt.Errorf("status: print: %w", err)
	}
	return nil
}

// String is the object for people, one fact a line.
func (o object) String() string {
	known := func(text, otherwise string) string {
		if text = oneLine(text); text == "" {
			return otherwise
		}
		return text
	}
	this := "stands by"
	switch {
	case o.IsLeader:
		this = fmt.Sprintf("leads, lease valid for %.3f s, fencing token %s", o.LeaseExpiresInSeconds, known(o.FencingToken, "unknown"))
	case o.Status != "ok":
		this = "does not lead any more: its lease is lost"
	}
	return fmt.Sprintf("leader: %s\nsince:  %s\nthis:   %s (%s)\nreason: %s\n",
		known(o.Leader, "nobody is known to lead"), known(o.Since, "unknown"),
		known(o.Node, "unknown"), this, known(o.Reason, "unknown"))
}

// dialAddress is where a server that listens on endpoint is reached from the
// same network namespace.
func dialAddress(endpoint string) (string, error) {
	if endpoint == "" {
		return "", fmt.Errorf("status: %s is not set, so nothing can be asked; set it in the container's environment, for example :9999", Endpoint)
	}
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil || port == "" || port == "0" {
		return "", fmt.Errorf("status: %s must be an address and a port, or a port alone, for example :9999", Endpoint)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip.Is4() && ip.IsUnspecified():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

func get(ctx context.Context, target string, transport *http.Transport) (code int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return 0, nil, bare(err)
	}
	request.Header.Set("User-Agent", "k8s-await-election")
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, nil, bare(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	return answer.StatusCode, body, nil
}

// bare drops the method and URL that net/http puts before its errors: the
// messages here have their own.
func bare(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
