package kube

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// object is a Kubernetes object as JSON, with all its fields. It is not changed
// once it has been read: several writes may start from it at one time.
type object map[string]any

func (o object) metadata() map[string]any {
	meta, _ := o["metadata"].(map[string]any)
	return meta
}

func (o object) annotations() map[string]any {
	annotations, _ := o.metadata()["annotations"].(map[string]any)
	return annotations
}

func (o object) version() string {
	version, _ := o.metadata()["resourceVersion"].(string)
	return version
}

func (o object) revision() (uint64, error) { return parseRevision(o.version()) }

// codec says where in an object the record is. Instance and heir are annotations
// in every kind of object and not its matter.
type codec interface {
	// read returns the record and the text that is equal exactly if the
	// election's part of the object is equal.
	read(o object) (elector.Record, string, error)
	// write puts the record into o, which the caller has just made or cloned;
	// maps inside it are not the codec's to change.
	write(o object, to elector.Record)
}

// What is read of a record. Nothing is demanded: everything may be missing.
type (
	recordFields struct {
		HolderIdentity       string `json:"holderIdentity"`
		LeaseDurationSeconds int32  `json:"leaseDurationSeconds"`
		AcquireTime          any    `json:"acquireTime"`
		RenewTime            any    `json:"renewTime"`
	}
	leaseSpec struct {
		recordFields
		LeaseTransitions int32 `json:"leaseTransitions"`
	}
	annotatedRecord struct {
		recordFields
		LeaderTransitions int32 `json:"leaderTransitions"`
	}
)

func (s recordFields) record(transitions int32) elector.Record {
	return elector.Record{
		HolderIdentity:   s.HolderIdentity,
		LeaseDuration:    max(0, time.Duration(s.LeaseDurationSeconds)*time.Second),
		AcquireTime:      parseTime(s.AcquireTime),
		RenewTime:        parseTime(s.RenewTime),
		LeaseTransitions: int(transitions),
	}
}

// parseTime is lenient: no rule depends on these times.
func parseTime(value any) time.Time {
	text, _ := value.(string)
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// seconds rounds up: a candidate that reads the record must not be faster than
// the holder counts on.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// put sets a field, or removes it where there is nothing to say.
func put(fields map[string]any, key string, value any, present bool) {
	if present {
		fields[key] = value
	} else {
		delete(fields, key)
	}
}

// putRecord sets the fields that both forms of a record have, as client-go does:
// a released record has the holder "", not none. transitions is the field that has
// a name of its own in each.
//
// In an annotation anybody may have written a "holderidentity", which client-go
// and this program read for the holder, as encoding/json has it: kept beside ours,
// it would go on naming the holder, and nobody could ever lead.
func putRecord(fields map[string]any, to elector.Record, timeFormat, transitions string) {
	for _, ours := range []string{"holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", transitions} {
		maps.DeleteFunc(fields, func(key string, _ any) bool { return strings.EqualFold(key, ours) })
	}
	fields["holderIdentity"] = to.HolderIdentity
	fields[transitions] = to.LeaseTransitions
	put(fields, "leaseDurationSeconds", seconds(to.LeaseDuration), to.LeaseDuration > 0)
	put(fields, "acquireTime", to.AcquireTime.UTC().Format(timeFormat), !to.AcquireTime.IsZero())
	put(fields, "renewTime", to.RenewTime.UTC().Format(timeFormat), !to.RenewTime.IsZero())
}

// leaseCodec: the record is the spec of a Lease.
type leaseCodec struct{}

// microTime is metav1.MicroTime's form.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

func (leaseCodec) read(o object) (elector.Record, string, error) {
	if o["spec"] == nil {
		return elector.Record{}, "", nil
	}
	text, err := json.Marshal(o["spec"]) // keys sorted
	if err != nil {
		return elector.Record{}, "", err
	}
	var spec leaseSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return elector.Record{}, "", err
	}
	return spec.record(spec.LeaseTransitions), string(text), nil
}

func (leaseCodec) write(o object, to elector.Record) {
	spec := clone(o["spec"])
	putRecord(spec, to, microTime, "leaseTransitions")
	o["spec"] = spec
}

// annotationCodec: the record is JSON in an annotation, as client-go kept it in
// ConfigMaps and Endpoints up to 0.23.
type annotationCodec struct{}

const leaderAnnotation = "control-plane.alpha.kubernetes.io/leader"

// unreadable is the holder of a record that cannot be read. Somebody wrote it,
// so somebody may lead: it counts as held, without a duration, by a holder whose
// name nobody bears. Candidates wait out their own duration, then replace it.
const unreadable = "(unreadable record)"

func (annotationCodec) read(o object) (elector.Record, string, error) {
	text, _ := clone(clone(o["metadata"])["annotations"])[leaderAnnotation].(string)
	if text == "" {
		return elector.Record{}, "", nil
	}
	var r annotatedRecord
	if json.Unmarshal([]byte(text), &r) != nil {
		return elector.Record{HolderIdentity: unreadable}, text, nil
	}
	return r.record(r.LeaderTransitions), text, nil
}

func (annotationCodec) write(o object, to elector.Record) {
	meta := clone(o["metadata"])
	annotations := clone(meta["annotations"])
	fields := map[string]any{}
	if before, ok := annotations[leaderAnnotation].(string); ok {
		if known, err := parseObject([]byte(before)); err == nil && known != nil {
			fields = known // fields of newer client-go are kept
		}
	}
	putRecord(fields, to, time.RFC3339, "leaderTransitions")
	text, err := json.Marshal(fields)
	if err != nil { // parsed JSON, strings and numbers
		panic(err)
	}
	annotations[leaderAnnotation] = string(text)
	meta["annotations"] = annotations
	o["metadata"] = meta
}

// clone copies one level of an object's part; what is no map is an empty one.
func clone(part any) map[string]any {
	fields, _ := part.(map[string]any)
	if fields == nil {
		return map[string]any{}
	}
	return maps.Clone(fields)
}
