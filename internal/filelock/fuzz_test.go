package filelock

import (
	"reflect"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// Whatever somebody wrote into the file: what can be read can be written over,
// and read again, with its unknown fields.
func FuzzDocument_IsReadAsItIsWritten(f *testing.F) {
	for _, text := range []string{
		`{"holderIdentity":"a","leaseDurationSeconds":15,"leaseTransitions":3,"revision":7,"note":"kept"}`,
		`{"acquireTime":"2030-01-02T03:04:06Z","revision":9223372036854775807}`, `null`, `{"others":{}}`,
		`{"ACquireTime":"2030-01-02T03:04:06Z","Heir":"c","holderIdentity":"a"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := decode(raw)
		if err != nil {
			return
		}
		d = d.with(elector.Record{HolderIdentity: "b", LeaseDuration: 1500, Instance: d.Instance})
		text, err := d.encode()
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		again, err := decode(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !reflect.DeepEqual(again.fields, d.fields) || len(again.others) != len(d.others) {
			t.Errorf("%q is read as %+v, and was %+v", text, again, d)
		}
	})
}
