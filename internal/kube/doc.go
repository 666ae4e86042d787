// Package kube keeps the election's record, the way of the traffic and the
// Events in a Kubernetes API server. It is called by app alone, which hands its
// types to elector (Lock) and gate (Publisher, Announcer).
//
// # What it guarantees
//
//   - A Lock's write is one conditional request: an update names the uid and the
//     resourceVersion it starts from, a creation succeeds only on an absent
//     object. Whatever else is in the object is written back as it was read.
//   - Two writes at one time go over two connections, and the end of a write's
//     context drops its connection alone. Lease writes, watches, and everything
//     else have separate transports; nothing waits for a rate limit, and nothing
//     is repeated behind the caller's back (see Lock.Write).
//   - Errors are told apart by status code, reason and by what was sent, never by
//     their text. A refusal names verb, resource, group, namespace, name and the
//     rule to add.
//
// # What it refuses to guarantee
//
// It decides nothing about the election: no retries of lock writes, no timing.
// An error other than ErrConflict and ErrForbidden leaves a write's outcome
// unknown. Events are sent at best. Servers older than Kubernetes 1.27 ignore
// the request for initial events, so a watch there never tells of an object that
// is absent from the start.
//
// # Rights
//
// All of them in a Role of the object's namespace, and, where the verbs permit
// it, for the one name alone:
//
//	lock leases      coordination.k8s.io/leases: get, watch, create, update; list
//	                 only on servers without streamed initial events (before
//	                 1.32, or with the feature WatchList turned off)
//	lock configmaps  configmaps: get, watch, update, list as above; create cannot
//	                 be limited to a name, because only leases can be created by
//	                 PUT on condition that they are absent
//	lock endpoints   endpoints: the same
//	traffic, slices  discovery.k8s.io/endpointslices: get, watch, create, patch on
//	                 <service>-ipv4 and <service>-ipv6 (with create and update for
//	                 all names, as LINBIT's tool needs them, it works too, without
//	                 being able to put right what others change)
//	traffic, legacy  endpoints: get, watch, update on the Service's name, and
//	                 create for all names where the object is not there yet
//	owner            services: get on the Service's name, optional: what is
//	                 created goes away with the Service
//	Pod label        pods: patch (one that changes nothing tells how the Pod
//	                 is); besides, optional, list for all names, to take
//	                 the label off a Pod that led before, and get, watch to put
//	                 right what others change at once, not within half a minute
//	Events           events: create, optional
package kube
