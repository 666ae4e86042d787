package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"testing/synctest"
)

// answering gives every request one answer, and is told of what is written.
type answering func(written *http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// What takes the traffic off a Pod, ours or that of who led before, is on the
// condition that it is as it was read, whatever was read: a late write without one
// would take it off a successor.
func FuzzAnswers_LeadToNoWriteWithoutACondition(f *testing.F) {
	for _, text := range []string{
		`{"metadata":{"uid":"u","resourceVersion":"7"},"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true,"serving":true,"terminating":false}}]}`,
		`{"metadata":{"uid":"u"},"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true,"serving":true,"terminating":false}}]}`,
		`{"metadata":{"uid":"u","resourceVersion":"7"},"subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]}`,
		`{"subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]}`,
		`{"metadata":{"resourceVersion":"7","name":"pod-a","labels":{"role":"leader"},"annotations":{"k8s-await-election/lock":"lease prod/db"}}}`,
		`{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"pod-b","resourceVersion":"7","annotations":{"k8s-await-election/lock":"lease prod/db"}}}]}`,
		`{"items":[{"metadata":{"name":"pod-b","annotations":{"k8s-await-election/lock":"lease prod/db"}}}]}`,
		`{"items":[null],"metadata":null}`, `{"items":[{"metadata":{"resourceVersion":"x"}}],"metadata":{"resourceVersion":"7"}}`,
		`{"kind":"Status","reason":"NotFound","details":{"kind":"pods"}}`, `<html>`, `null`, ``,
	} {
		f.Add(uint16(200), []byte(text))
		f.Add(uint16(404), []byte(text))
	}
	options := PublisherOptions{
		Namespace: "prod", Service: "db", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Pod: Pod{Namespace: "prod"},
		Lock: "lease prod/db", Label: PodLabel{Key: "role", Leader: "leader", Standby: "standby"},
	}
	log := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, status uint16, text []byte) {
		if status < 200 || status > 599 {
			return // net/http takes no other for an answer
		}
		synctest.Test(t, func(t *testing.T) {
			transport := answering(func(r *http.Request) *http.Response {
				if r.Body != nil {
					sent, err := io.ReadAll(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					var to struct {
						Metadata labelledMeta `json:"metadata"`
					}
					asks := string(sent) == `{"metadata":{}}` // a patch that changes nothing
					if err := json.Unmarshal(sent, &to); err != nil || to.Metadata.ResourceVersion == "" && !asks {
						t.Errorf("%d %s leads to %s %s %s without a condition", status, text, r.Method, r.URL, sent)
					}
				}
				return &http.Response{StatusCode: int(status), Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}
			})
			alone := &http.Client{Transport: transport}
			client := &Client{server: &url.URL{Scheme: "https", Host: "api"}, writes: alone, watches: alone, others: alone}
			owned := &serviceOwner{client: client, namespace: "prod", name: "db", log: log}
			labelledAs := options
			labelledAs.Pod.Name = "pod-a"
			label := newLabelled(client, labelledAs, log)
			lists := watcher{client: client, resource: leases, namespace: "prod", name: "db", deliver: func(s state) error {
				if s.exists != (s.object != nil) {
					t.Errorf("%s delivers %+v", text, s)
				}
				return nil
			}}
			for what, try := range map[string]func(context.Context) error{
				"empty a slice":   newSlice(client, options, options.Addresses[0], owned.find).empty,
				"empty Endpoints": (&legacy{client: client, options: options, owner: owned.find}).empty,
				"lower a label":   label.empty,
				"depose":          label.depose,
				"list":            lists.list,
				"read the lock":   func(ctx context.Context) error { _, err := client.Lease("prod", "db").Read(ctx); return err },
				"look for an owner": func(ctx context.Context) error {
					owner, err := owned.find(ctx)
					if owner != nil && (owner.UID == "" || owner.Name != "db") {
						t.Errorf("%s is owned by %+v", text, owner)
					}
					return err
				},
			} {
				if err := try(t.Context()); err != nil && err.Error() == "" {
					t.Errorf("%s: an error without a text", what)
				}
			}
		})
	})
}
