package kube

import (
	"encoding/json"
	"net/netip"
	"testing"
	"unicode/utf8"
)

// What is there counts as ours if it says what we write, and nothing that leads
// elsewhere: otherwise a rival's change stays, or our own is put right for ever.
func FuzzDestinations_HoldWhatTheyWriteAndNothingElse(f *testing.F) {
	const slices = `{"metadata":{"labels":{"kubernetes.io/service-name":"db","endpointslice.kubernetes.io/managed-by":"k8s-await-election"}},"addressType":"IPv4",` +
		`"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true,"serving":true,"terminating":false}}],"ports":[{"name":"","port":80,"protocol":"TCP"}]}`
	for _, text := range []string{
		slices,
		`{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80,"protocol":"TCP"}]}]}`,
		`{"subsets":[{"addresses":[{"ip":"10.0.0.1","targetRef":{"uid":"x"}},{"ip":"10.0.0.1"}],"ports":[{"port":80,"protocol":"TCP"}]}]}`,
		`{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"notReadyAddresses":[{"ip":"10.0.0.2"}]}]}`,
		`{"metadata":{"annotations":{"control-plane.alpha.kubernetes.io/leader":"{}"}},"subsets":null}`,
		`{"metadata":{"labels":{"role":"leader"}}}`,
		`{"metadata":{"labels":{"role":"leader"},"labels":null}}`,
		`null`, `[]`, `{"subsets":[null]}`, `{"endpoints":[null],"metadata":null}`,
	} {
		f.Add([]byte(text), `[{"port":80}]`, "", "", false)
		f.Add([]byte(text), `[]`, "node-1", "pod-a", true)
	}
	f.Fuzz(func(t *testing.T, there []byte, ports, node, pod string, skipMirror bool) {
		parsed, err := ParsePorts(ports)
		if err != nil || !utf8.ValidString(node) || !utf8.ValidString(pod) {
			return // no names of anything in Kubernetes
		}
		options := PublisherOptions{
			Namespace: "prod", Service: "db", Ports: parsed, NodeName: node, Pod: Pod{Namespace: "prod", Name: pod, UID: "u"},
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Label: PodLabel{Key: "role", Leader: "leader", Standby: "standby"},
		}
		ipv4 := newSlice(&Client{}, options, options.Addresses[0], nil)
		classic := &legacy{client: &Client{}, options: options, skipMirror: skipMirror}
		label := newLabelled(&Client{}, options, nil)
		own := object{"subsets": classic.subsets(), "metadata": map[string]any{"labels": map[string]string{skipMirrorLabel: "true"}}}
		if !skipMirror {
			delete(own, "metadata")
		}
		for d, written := range map[destination]any{
			ipv4: ipv4.body(), classic: own,
			label:          labelledPod("leader"),
			standby{label}: labelledPod("standby"),
		} {
			sent, err := json.Marshal(written)
			if err != nil {
				t.Fatal(err)
			}
			if !d.holds(answeredBy(t, sent)) {
				t.Errorf("%s does not hold what it has written: %s", d, sent)
			}
		}
		if _, isObject := decoded(there).(map[string]any); !isObject {
			return // the watch delivers nothing else
		}
		if label.holds(there) && (standby{label}).holds(there) {
			t.Errorf("%s leads and stands by", there)
		}
		if ipv4.holds(there) {
			if ips := leadsTo(there, "endpoints", "addresses"); len(ips) != 1 || ips[0] != "10.0.0.1" {
				t.Errorf("%s is taken for ours, and leads to %q", there, ips)
			}
		}
		if classic.holds(there) {
			if ips := leadsTo(there, "subsets", "addresses"); len(ips) != 1 || ips[0] != "10.0.0.1" {
				t.Errorf("%s is taken for ours, and leads to %q", there, ips)
			}
		}
	})
}

func labelledPod(value string) object {
	return object{"metadata": labelledMeta{Name: "pod-a", Labels: map[string]string{"role": value}}}
}

// answeredBy is what the API server makes of an object: it leaves empty lists out.
func answeredBy(t *testing.T, sent []byte) []byte {
	t.Helper()
	var without func(any) any
	without = func(part any) any {
		switch part := part.(type) {
		case map[string]any:
			for key, value := range part {
				if list, is := value.([]any); value == nil || is && len(list) == 0 {
					delete(part, key)
				} else {
					part[key] = without(value)
				}
			}
		case []any:
			for i, value := range part {
				part[i] = without(value)
			}
		}
		return part
	}
	text, err := json.Marshal(without(decoded(sent)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decoded(text []byte) any {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return nil
	}
	return value
}

// leadsTo are the addresses in an object, by the exact names of its fields.
func leadsTo(text []byte, list, field string) []string {
	var all []string
	o, _ := decoded(text).(map[string]any)
	parts, _ := o[list].([]any)
	for _, part := range parts {
		addresses, _ := clone(part)[field].([]any)
		for _, address := range addresses {
			ip, plain := address.(string)
			if !plain {
				ip, _ = clone(address)["ip"].(string)
			}
			all = append(all, ip)
		}
	}
	return all
}
