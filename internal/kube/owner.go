package kube

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
)

// serviceOwner finds the Service, which is to own what is created for it: when
// the release is uninstalled, nothing is left.
type serviceOwner struct {
	client          *Client
	namespace, name string
	log             *slog.Logger
	found           recent[*ownerReference]
}

// find is nil where the Service cannot be read, and an error where it does not
// exist: what is created then would lead nobody anywhere, and would be left over
// after an uninstallation, when the leader is still in its grace period. The
// answer is a recent one, not an old one: a Service made anew is another owner,
// and what belongs to one that is gone is deleted.
func (o *serviceOwner) find(ctx context.Context) (*ownerReference, error) {
	return o.found.get(func(before *ownerReference) (*ownerReference, error) {
		text, err := o.client.do(ctx, request{
			client: o.client.others, method: http.MethodGet, verb: "get",
			resource: services, namespace: o.namespace, name: o.name, byName: true,
		})
		var service struct {
			Metadata struct {
				UID string `json:"uid"`
			} `json:"metadata"`
		}
		switch {
		case isAbsent(err):
			return nil, err
		case err != nil: // the one that was found before is still right, as a rule
			if before == nil {
				o.log.Debug("what is created for the service will have no owner", "err", err)
			}
			return before, nil
		case json.Unmarshal(text, &service) != nil || service.Metadata.UID == "":
			return before, nil
		}
		return &ownerReference{APIVersion: services.apiVersion(), Kind: services.kind, Name: o.name, UID: service.Metadata.UID}, nil
	})
}
