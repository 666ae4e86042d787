package kube

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

func parse(t *testing.T, text string) object {
	t.Helper()
	o, err := parseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func rendered(t *testing.T, o object) string {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func annotated(t *testing.T, record string) object {
	t.Helper()
	return object{"metadata": map[string]any{"annotations": map[string]any{leaderAnnotation: record, "note": "kept"}}}
}

var exampleRecord = elector.Record{
	HolderIdentity: "a", LeaseDuration: 15 * time.Second, LeaseTransitions: 3,
	AcquireTime: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), RenewTime: time.Date(2030, 1, 2, 3, 4, 6, 0, time.UTC),
}

func TestLeaseCodec_KeepsUnknownFieldsOfTheSpecAsTheyAre(t *testing.T) {
	t.Parallel()
	o := parse(t, `{"spec":{"holderIdentity":"a","strategy":"OldestEmulationVersion","preferredHolder":"b","future":{"n":12345678901234567890}}}`)
	before := rendered(t, o)
	copied := object(clone(map[string]any(o)))
	leaseCodec{}.write(copied, exampleRecord)
	for _, want := range []string{`"strategy":"OldestEmulationVersion"`, `"preferredHolder":"b"`, `"future":{"n":12345678901234567890}`, `"leaseTransitions":3`, `"renewTime":"2030-01-02T03:04:06.000000Z"`} {
		if text := rendered(t, copied); !strings.Contains(text, want) {
			t.Errorf("%s has no %s", text, want)
		}
	}
	if rendered(t, o) != before {
		t.Error("the observation that was written from has changed")
	}
}

func TestLeaseCodec_TellsSpecsApartByUnknownFieldsToo(t *testing.T) {
	t.Parallel()
	_, one, err1 := leaseCodec{}.read(parse(t, `{"spec":{"holderIdentity":"a","future":1}}`))
	_, two, err2 := leaseCodec{}.read(parse(t, `{"spec":{"future":2,"holderIdentity":"a"}}`))
	_, same, err3 := leaseCodec{}.read(parse(t, `{"spec":{"future":1,"holderIdentity":"a"},"metadata":{}}`))
	if err1 != nil || err2 != nil || err3 != nil || one == two || one != same {
		t.Errorf("%q %q %q, %v %v %v", one, two, same, err1, err2, err3)
	}
}

func TestLeaseCodec_WritesNoDurationAndNoTimesWhereTheRecordHasNone(t *testing.T) {
	t.Parallel()
	o := parse(t, `{"spec":{"leaseDurationSeconds":3,"renewTime":"2030-01-02T03:04:06.000000Z"}}`)
	leaseCodec{}.write(o, elector.Record{})
	if text := rendered(t, o); text != `{"spec":{"holderIdentity":"","leaseTransitions":0}}` {
		t.Errorf("wrote %s", text)
	}
}

func TestAnnotationCodec_ReadsAndWritesTheRecordOfClientGo(t *testing.T) {
	t.Parallel()
	text := `{"holderIdentity":"a","leaseDurationSeconds":15,"acquireTime":"2030-01-02T03:04:05Z","renewTime":"2030-01-02T03:04:06Z","leaderTransitions":3}`
	o := annotated(t, text)
	record, spec, err := annotationCodec{}.read(o)
	if err != nil || record != exampleRecord || spec != text {
		t.Fatalf("read %+v, %q, %v", record, spec, err)
	}
	fresh := object{}
	annotationCodec{}.write(fresh, exampleRecord)
	again, _, err := annotationCodec{}.read(fresh)
	if err != nil || again != exampleRecord {
		t.Errorf("read back %+v, %v", again, err)
	}
	var keys map[string]any
	written, _ := clone(clone(fresh["metadata"])["annotations"])[leaderAnnotation].(string)
	if err := json.Unmarshal([]byte(written), &keys); err != nil || len(keys) != 5 || keys["leaderTransitions"] != 3.0 || keys["renewTime"] != "2030-01-02T03:04:06Z" {
		t.Errorf("wrote %s, %v", written, err)
	}
}

func TestAnnotationCodec_KeepsOtherAnnotationsAndUnknownFields(t *testing.T) {
	t.Parallel()
	o := annotated(t, `{"holderIdentity":"a","future":true}`)
	copied := object(clone(map[string]any(o)))
	annotationCodec{}.write(copied, exampleRecord)
	if text := rendered(t, copied); !strings.Contains(text, `"note":"kept"`) || !strings.Contains(text, `\"future\":true`) {
		t.Errorf("wrote %s", text)
	}
	if !reflect.DeepEqual(o, annotated(t, `{"holderIdentity":"a","future":true}`)) {
		t.Error("the observation that was written from has changed")
	}
}

// A record that cannot be read is held by somebody unknown, and nobody's own
// duration is shortened by it.
func TestAnnotationCodec_TakesGarbageForARecordOfSomebodyUnknown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"garbage", "{", "[]", `"text"`, "7", "true",
		`{"holderIdentity":7}`, `{"holderIdentity":"a","leaseDurationSeconds":"15"}`,
		`{"holderIdentity":"a","leaseDurationSeconds":1.5}`, `{"holderIdentity":"a","leaseDurationSeconds":99999999999}`,
		`{"holderIdentity":"a","leaderTransitions":[]}`, `{"holderIdentity":"a"} trailing`,
	} {
		record, spec, err := annotationCodec{}.read(annotated(t, text))
		if err != nil || record.HolderIdentity != unreadable || record.LeaseDuration != 0 || spec != text {
			t.Errorf("%s: %+v, %q, %v", text, record, spec, err)
		}
		// It can be replaced.
		o := annotated(t, text)
		annotationCodec{}.write(o, exampleRecord)
		if again, _, err := (annotationCodec{}).read(o); err != nil || again != exampleRecord {
			t.Errorf("%s: read back %+v, %v", text, again, err)
		}
	}
}

func TestAnnotationCodec_IsLenientWithTimesAndNegativeDurations(t *testing.T) {
	t.Parallel()
	record, _, err := annotationCodec{}.read(annotated(t, `{"holderIdentity":"a","leaseDurationSeconds":-5,"renewTime":null,"acquireTime":"yesterday"}`))
	if err != nil || (record != elector.Record{HolderIdentity: "a"}) {
		t.Errorf("read %+v, %v", record, err)
	}
}

func TestAnnotationCodec_FindsNoRecordWhereThereIsNone(t *testing.T) {
	t.Parallel()
	for _, o := range []object{{}, {"metadata": "garbage"}, {"metadata": map[string]any{"annotations": 7}}} {
		record, spec, err := annotationCodec{}.read(o)
		if err != nil || (record != elector.Record{}) || spec != "" {
			t.Errorf("%v: %+v, %q, %v", o, record, spec, err)
		}
	}
}

func TestLock_RefusesAnAPIServerWhoseRevisionsHaveNoOrder(t *testing.T) {
	t.Parallel()
	lock := (&Client{}).Lease("ns", "db")
	for _, version := range []string{"", "abc", "-1", "18446744073709551616"} {
		_, err := lock.parse([]byte(`{"metadata":{"resourceVersion":"` + version + `"}}`))
		if err == nil || !strings.Contains(err.Error(), "KEP-5504") || !strings.Contains(err.Error(), "lease ns/db") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestLock_RefusesAnObservationOfAnotherLock(t *testing.T) {
	t.Parallel()
	_, err := (&Client{}).Lease("ns", "db").Write(t.Context(), elector.Observation{Exists: true, Origin: "else"}, elector.Record{})
	if err == nil {
		t.Error("no error")
	}
}
