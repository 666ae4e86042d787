package filelock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// fields is the record as the file holds it, in the words of a Lease.
type fields struct {
	HolderIdentity       string    `json:"holderIdentity"`
	LeaseDurationSeconds int64     `json:"leaseDurationSeconds"`
	AcquireTime          time.Time `json:"acquireTime,omitzero"`
	RenewTime            time.Time `json:"renewTime,omitzero"`
	LeaseTransitions     int       `json:"leaseTransitions"`
	Instance             string    `json:"instance,omitempty"`
	Heir                 string    `json:"heir,omitempty"`
	// Revision grows with every write.
	Revision uint64 `json:"revision"`
	// LockInode is the .lock file that the holder has its flock on. Only a
	// flock that is free on this very file proves that the holder is gone.
	LockInode uint64 `json:"lockInode,omitempty"`
}

// known are the keys of fields.
var known = []string{
	"holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaseTransitions",
	"instance", "heir", "revision", "lockInode",
}

// notSpec are the keys that are no part of the election proper: our hints, and
// what every write changes.
var notSpec = []string{"instance", "heir", "revision", "lockInode"}

const (
	// maxRecord is far above any record's size; what is cut off there is garbage.
	maxRecord = 1 << 20
	// maxRevision leaves room to count on from whatever the file says.
	maxRevision = math.MaxInt64
)

// document is what was read from the file: the fields, and whatever else
// somebody wrote there, which is kept.
type document struct {
	fields
	others map[string]json.RawMessage
}

// decode reads the keys by their exact names: encoding/json alone would take
// an "ACQUIRETIME" that somebody added for ours.
func decode(raw []byte) (document, error) {
	var d document
	if err := json.Unmarshal(raw, &d.others); err != nil {
		return document{}, err
	}
	ours := make(map[string]json.RawMessage, len(known))
	for _, key := range known {
		if value, there := d.others[key]; there {
			ours[key] = value
			delete(d.others, key)
		}
	}
	exact, err := json.Marshal(ours)
	if err != nil {
		return document{}, err
	}
	if err := json.Unmarshal(exact, &d.fields); err != nil {
		return document{}, err
	}
	if d.Revision > maxRevision {
		return document{}, errors.New("revision out of range")
	}
	d.AcquireTime, d.RenewTime = d.AcquireTime.UTC(), d.RenewTime.UTC()
	return d, nil
}

// encode returns the file's content.
func (d document) encode() ([]byte, error) {
	text, err := d.keys()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	return append(raw, '\n'), nil
}

// spec is the election's own part as text that compares.
func (d document) spec() (string, error) {
	text, err := d.keys()
	if err != nil {
		return "", err
	}
	for _, key := range notSpec {
		delete(text, key)
	}
	spec, err := json.Marshal(text)
	return string(spec), err
}

func (d document) keys() (map[string]json.RawMessage, error) {
	own, err := json.Marshal(d.fields)
	if err != nil {
		return nil, err
	}
	text := make(map[string]json.RawMessage, len(known)+len(d.others))
	for key, value := range d.others {
		text[key] = value
	}
	return text, json.Unmarshal(own, &text)
}

// record is the document in elector's words.
func (d document) record() elector.Record {
	return elector.Record{
		HolderIdentity:   d.HolderIdentity,
		LeaseDuration:    time.Duration(min(max(d.LeaseDurationSeconds, 0), math.MaxInt64/int64(time.Second))) * time.Second,
		AcquireTime:      d.AcquireTime,
		RenewTime:        d.RenewTime,
		LeaseTransitions: d.LeaseTransitions,
		Instance:         d.Instance,
		Heir:             d.Heir,
	}
}

// with is the document with r in place of its record.
func (d document) with(r elector.Record) document {
	d.HolderIdentity = r.HolderIdentity
	d.LeaseDurationSeconds = int64(r.LeaseDuration / time.Second)
	if r.LeaseDuration%time.Second > 0 {
		d.LeaseDurationSeconds++
	}
	d.AcquireTime = r.AcquireTime.UTC()
	d.RenewTime = r.RenewTime.UTC()
	d.LeaseTransitions = r.LeaseTransitions
	d.Instance = r.Instance
	d.Heir = r.Heir
	return d
}

// proposesHeir reports whether `to` says what d says, of the same holder, and
// differs in nothing but the heir: a note that anybody may leave.
func (d document) proposesHeir(to document) (bool, error) {
	if d.HolderIdentity == "" {
		return false, nil
	}
	d.Heir, to.Heir = "", ""
	was, err := d.encode()
	if err != nil {
		return false, err
	}
	is, err := to.encode()
	if err != nil {
		return false, fmt.Errorf("encode the record: %w", err)
	}
	return bytes.Equal(was, is), nil
}
