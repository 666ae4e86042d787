package kube

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
)

// tokenFileAuth authenticates each request with the token that is in a file at
// that moment. client-go reads the file once a minute at most, and goes on with
// a token that the server has refused; the file is on a tmpfs, and requests are
// few.
type tokenFileAuth struct {
	path string
	next http.RoundTripper

	mu   sync.Mutex
	last string
}

func (t *tokenFileAuth) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := t.token()
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // the contract of a RoundTripper
		}
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return t.next.RoundTrip(request)
}

// token falls back on the last one that was read: during the exchange of a
// volume's content a file may be absent for an instant.
func (t *tokenFileAuth) token() (string, error) {
	text, err := os.ReadFile(t.path)
	token := strings.TrimSpace(string(text))
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case token != "":
		t.last = token
	case t.last == "" && err != nil:
		return "", fmt.Errorf("read the token: %w", err)
	case t.last == "":
		return "", fmt.Errorf("read the token: %s is empty", t.path)
	}
	return t.last, nil
}
