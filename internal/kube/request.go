package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxAnswer bounds what is read of one answer. Objects are limited to 1.5 MiB by
// etcd.
const maxAnswer = 4 << 20

// How bodies are written. JSON, not protobuf: it carries fields that this
// program does not know.
const (
	contentJSON  = "application/json"
	contentApply = "application/apply-patch+yaml" // JSON is YAML
	contentMerge = "application/merge-patch+json"
)

// request is one request about one object.
type request struct {
	client *http.Client
	method string
	// verb is what RBAC calls it; needs are the verbs of the rule that permits
	// it, where that takes more than the one.
	verb  string
	needs []string

	resource        resource
	namespace, name string
	// byName: the right to do it can be limited to the name.
	byName bool

	query       url.Values
	contentType string
	body        any
}

// object names the request's object for errors.
func (r request) object() string { return r.resource.object(r.namespace, r.name) }

// open sends the request, once, and returns the answer if it is a success. The
// caller closes its body. Any other answer is an *answerError.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	path := r.resource.path(r.namespace, "")
	if r.method != http.MethodPost && r.verb != "watch" && r.verb != "list" {
		path = r.resource.path(r.namespace, r.name)
	}
	address := c.server.JoinPath(path)
	address.RawQuery = r.query.Encode()
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.verb, r.object(), err)
		}
		body = bytes.NewReader(text)
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, address.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.verb, r.object(), err)
	}
	sent.Header.Set("Accept", contentJSON)
	if body != nil {
		sent.Header.Set("Content-Type", r.contentType)
	}
	answer, err := r.client.Do(sent)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.verb, r.object(), explainTransport(err))
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		defer func() { _ = answer.Body.Close() }()
		return nil, readError(r, answer)
	}
	return answer, nil
}

// do is open for answers that are one object.
func (c *Client) do(ctx context.Context, r request) ([]byte, error) {
	answer, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", r.verb, r.object(), err)
	}
	return text, nil
}

// explainTransport adds what to do where a user can do something.
func explainTransport(err error) error {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("%w: the API server's certificate is not signed by the certificate authority of the kubeconfig (certificate-authority) or service account (ca.crt), or is not for this address", err)
	}
	return err
}
