package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// Whatever an object says, a write that starts from it keeps the conditions of
// the write, and its record is read back as it was written.
func FuzzLock_ReadsBackWhatItWrites(f *testing.F) {
	for _, text := range []string{
		`{"metadata":{"uid":"u","resourceVersion":"7"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"leaseTransitions":3,"renewTime":"2030-01-02T03:04:06.000000Z","strategy":"x"}}`,
		`{"metadata":{"uid":"u","resourceVersion":"7","annotations":{"control-plane.alpha.kubernetes.io/leader":"{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,\"leaderTransitions\":3}"}}}`,
		`{"metadata":{"resourceVersion":"7"},"spec":null}`,
		`{"metadata":{"resourceVersion":"7"},"spec":{"holderidentity":"x"}}`,
		`{"metadata":{"resourceVersion":"7","annotations":{"control-plane.alpha.kubernetes.io/leader":"{\"holderidentity\":\"x\",\"leaderTransitionſ\":1,\"leaseTransitions\":\"x\"}"}}}`,
	} {
		f.Add([]byte(text), "b", int64(time.Second), int32(4))
	}
	client := &Client{}
	locks := []*Lock{client.Lease("prod", "db"), client.ConfigMap("prod", "db"), client.Endpoints("prod", "db")}
	f.Fuzz(func(t *testing.T, text []byte, holder string, duration int64, transitions int32) {
		to := elector.Record{
			HolderIdentity: holder, LeaseDuration: time.Duration(max(0, duration) % int64(time.Hour)), LeaseTransitions: int(transitions),
			RenewTime: time.Date(2030, 1, 2, 3, 4, 6, 0, time.UTC), Instance: "i", Heir: "h",
		}
		if !json.Valid([]byte(`"`+holder+`"`)) || string(bytes.ToValidUTF8([]byte(holder), nil)) != holder {
			return // no name that was ever in JSON
		}
		for _, l := range locks {
			seen, err := l.parse(text)
			if err != nil {
				continue
			}
			before := seen.Origin.(object)
			sent, err := json.Marshal(l.compose(before, to))
			if err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			got, err := l.parse(sent)
			if err != nil {
				t.Fatalf("%s: its own record cannot be read: %v\n%s", l, err, sent)
			}
			want := to
			want.LeaseDuration = time.Duration(seconds(to.LeaseDuration)) * time.Second
			if !reflect.DeepEqual(got.Record, want) {
				t.Errorf("%s: read %+v, written %+v\n%s", l, got.Record, want, sent)
			}
			is, was := clone(got.Origin.(object)["metadata"]), clone(before["metadata"])
			if is["uid"] != was["uid"] || is["resourceVersion"] != was["resourceVersion"] {
				t.Errorf("%s: the conditions are those of another object: %v, %v", l, is, was)
			}
		}
	})
}

// A stream ends, whatever is in it, and what it delivers has a revision.
func FuzzWatch_EndsWhateverIsStreamed(f *testing.F) {
	for _, text := range []string{
		`{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}` + "\n" + `{"type":"DELETED","object":{"metadata":{"resourceVersion":"8"}}}`,
		`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}`,
		`{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}`,
		`{"type":"ERROR","object":{"details":{"retryAfterSeconds":3}}}`,
	} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, beginning bool) {
		w := watcher{client: &Client{}, resource: leases, namespace: "prod", name: "db", deliver: func(s state) error {
			if s.exists != (s.object != nil) {
				t.Errorf("delivered %+v", s)
			}
			return nil
		}}
		if err := w.follow(bytes.NewReader(text), beginning); err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}

func FuzzParsePorts_AcceptsOnlyWhatTheAPIServerDoes(f *testing.F) {
	for _, text := range []string{`[{"name":"http","port":8080}]`, `[{"Port":53,"protocol":"UDP"}]`, `[null]`, `[]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := ParsePorts(text)
		if err != nil {
			return
		}
		for _, p := range ports {
			if p.Port < 1 || p.Port > 65535 || p.Protocol == "" || p.Name != "" && !portName.MatchString(p.Name) || p.Name == "" && len(ports) > 1 {
				t.Errorf("accepted %+v", p)
			}
		}
	})
}

func FuzzParsePodLabel_SaysWhatItWasGiven(f *testing.F) {
	for _, text := range []string{"role", "example.org/role=leader", "role=a/b", "role=/", "="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		label, err := ParsePodLabel(text)
		if err != nil {
			return
		}
		if label.Leader == label.Standby {
			t.Errorf("%+v", label)
		}
		again, err := ParsePodLabel(label.Key + "=" + label.Leader + "/" + label.Standby)
		if err != nil || again != label {
			t.Errorf("%+v is read as %+v, %v", label, again, err)
		}
	})
}

// Whatever answers in the API server's place, a refusal, an absence and a conflict
// are what was answered for this object alone, and nobody is asked to wait for ever.
func FuzzReadError_TakesNoOtherAnswerForARefusalOrAnAbsence(f *testing.F) {
	for _, text := range []string{
		`{"kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"leases \"db\" not found","details":{"name":"db","kind":"leases","group":"coordination.k8s.io"}}`,
		`{"kind":"Status","reason":"NotFound","code":404,"details":{"name":"prod","kind":"namespaces"}}`,
		`{"kind":"Status","reason":"Forbidden","code":403,"message":"x\ny","details":{"causes":[{"reason":"NamespaceTerminating"}]}}`,
		`{"kind":"Status","reason":"Invalid","code":422,"details":{"causes":[{"field":"metadata.resourceVersion"}]}}`,
		`{"kind":"Status","reason":"TooManyRequests","details":{"retryAfterSeconds":-1}}`,
		`{"kind":"Status","details":null,"metadata":null,"code":null}`,
		`{"kind":"Status","code":"404"}`, `{"kind":"Lease"}`, `<html>404</html>`, `null`, ``,
	} {
		for _, code := range []uint16{403, 404, 409, 422, 429, 503} {
			f.Add(code, "3", []byte(text))
		}
	}
	for _, after := range []string{"-1", "0", "3599", "3600", "9223372036854775807", "Fri, 01 Jan 2100 00:00:00 GMT", "+7", " 7"} {
		f.Add(uint16(429), after, []byte(`{"kind":"Status"}`))
	}
	lock := (&Client{}).Lease("prod", "db")
	f.Fuzz(func(t *testing.T, status uint16, after string, text []byte) {
		asked := request{verb: "update", resource: leases, namespace: "prod", name: "db", byName: true}
		err := readError(asked, &http.Response{
			StatusCode: int(status), Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(bytes.NewReader(text)),
		})
		if err == nil || code(err) != int(status) {
			t.Fatalf("status %d is read as %v", status, err)
		}
		said := err.Error()
		if !strings.HasPrefix(said, "update lease prod/db: "+strconv.Itoa(int(status))) {
			t.Errorf("status %d does not say what of: %s", status, said)
		}
		if strings.ContainsFunc(said, unicode.IsControl) || len(said) > 4096 {
			t.Errorf("no line for people, with %d bytes: %.200q", len(said), said)
		}
		if isForbidden(err) != (status == http.StatusForbidden) {
			t.Errorf("status %d is taken for a refusal, or not: %s", status, said)
		}
		if isAbsent(err) && (status != http.StatusNotFound || !bytes.Contains(text, []byte("NotFound")) || !bytes.Contains(text, []byte("leases"))) {
			t.Errorf("status %d is taken for an absence: %s", status, text)
		}
		if lock.conflict(err, true) && isAbsent(err) || lock.conflict(err, false) && answered(err).exists() {
			t.Errorf("status %d is two things at once: %s", status, text)
		}
		if !slices.Contains([]uint16{http.StatusConflict, http.StatusNotFound, http.StatusUnprocessableEntity}, status) &&
			(lock.conflict(err, true) || lock.conflict(err, false)) {
			t.Errorf("status %d is taken for a conflict: %s", status, text)
		}
		var throttled interface{ RetryAfter() time.Duration }
		if errors.As(err, &throttled) && (throttled.RetryAfter() <= 0 || throttled.RetryAfter() >= time.Hour) {
			t.Errorf("Retry-After %q is read as %v", after, throttled.RetryAfter())
		}
		if pause := new(backoff).next(err); pause < 200*time.Millisecond || pause >= time.Hour {
			t.Errorf("after %d with %q the next try is in %v", status, after, pause)
		}
	})
}
