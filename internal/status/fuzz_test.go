package status

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Whoever asks what, no answer claims a leadership that is not there.
func FuzzServer_ClaimsNoLeadershipThatIsNotThere(f *testing.F) {
	for _, path := range []string{"/", "/livez", "/readyz", "/startupz", "/leader", "/metrics", "/leader/../x", "//leader"} {
		f.Add(http.MethodGet, path, "Accept", "application/json")
	}
	f.Add(http.MethodPost, "/?a=b", "Content-Length", "-1")
	f.Fuzz(func(t *testing.T, method, path, key, value string) {
		for name, now := range map[string]Snapshot{
			"standing by": {Leader: "pod-b", Readable: true},
			"expired":     {Leader: "pod-a", Readable: true, Holding: true, Token: "7"},
		} {
			request := &http.Request{
				Method: method, URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{key: {value}}, Body: http.NoBody, Host: value, RequestURI: path,
			}
			recorder := httptest.NewRecorder()
			newServer(now, Options{}).ServeHTTP(recorder, request.WithContext(t.Context()))
			if !slices.Contains([]int{http.StatusOK, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusMethodNotAllowed}, recorder.Code) {
				t.Errorf("%s: %s %q: status %d", name, method, path, recorder.Code)
			}
			if path == "/leader" && recorder.Code == http.StatusOK {
				t.Errorf("%s: %s says: %s", name, path, recorder.Body)
			}
			var o struct {
				IsLeader bool `json:"is_leader"`
			}
			if json.Unmarshal(recorder.Body.Bytes(), &o) == nil && o.IsLeader {
				t.Errorf("%s: %s says: %s", name, path, recorder.Body)
			}
			if strings.Contains(recorder.Body.String(), "\nk8s_await_election_is_leader 1") {
				t.Errorf("%s: the metrics say that it leads", name)
			}
		}
	})
}

// Another program may answer where the server is expected.
func FuzzObject_TellsWhateverWasAnswered(f *testing.F) {
	f.Add([]byte(`{"status":"ok","is_leader":true,"leader":"a","since":"2000-01-01T00:00:00Z","lease_expires_in_seconds":3}`))
	f.Add([]byte(`{"status":"x","lease_expires_in_seconds":-1e300}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var o object
		if json.Unmarshal(body, &o) == nil && o.String() == "" {
			t.Errorf("%q says nothing", body)
		}
	})
}

func FuzzDialAddress_IsOneThatCanBeDialled(f *testing.F) {
	for _, endpoint := range []string{":8080", "0.0.0.0:1", "[::]:1", "127.0.0.1:http", "", "a:b:c"} {
		f.Add(endpoint)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		address, err := dialAddress(endpoint)
		if err == nil && (address == "" || strings.HasPrefix(address, ":")) {
			t.Errorf("%q is dialled as %q", endpoint, address)
		}
	})
}
