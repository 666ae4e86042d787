package kube

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// Whatever an object says, a write that starts from it keeps the conditions of
// the write, and its record is read back as it was written.
func FuzzLock_ReadsBackWhatItWrites(f *testing.F) {
	for _, text := range []string{
		`{"metadata":{"uid":"u","resourceVersion":"7"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"leaseTransitions":3,"renewTime":"2030-01-02T03:04:06.000000Z","strategy":"x"}}`,
		`{"metadata":{"uid":"u","resourceVersion":"7","annotations":{"control-plane.alpha.kubernetes.io/leader":"{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,\"leaderTransitions\":3}"}}}`,
		`{"metadata":{"resourceVersion":"7"},"spec":null}`,
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
