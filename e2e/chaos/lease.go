package chaos

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func deleteLease(h hit) (func() error, error) {
	h.fleet.stage.DeleteLease()
	return nil, nil
}

func edit(change func(*coordinationv1.Lease)) func(hit) (func() error, error) {
	return func(h hit) (func() error, error) {
		if h.fleet.stage.Lease() == nil {
			return nil, errNobody
		}
		h.fleet.stage.EditLease(change)
		return nil, nil
	}
}

func emptyHolder(lease *coordinationv1.Lease) { lease.Spec.HolderIdentity = new("") }

// shortenDuration leaves a leader that can be reached the time to put that right.
func shortenDuration(h hit) (func() error, error) {
	return edit(func(lease *coordinationv1.Lease) {
		lease.Spec.LeaseDurationSeconds = new(int32(h.fleet.renew / (2 * time.Second)))
	})(h)
}

func removeAnnotations(lease *coordinationv1.Lease) { lease.Annotations = nil }

// setForeignHolder writes somebody into the record who is not there, as an older
// program does that believes it has won.
func setForeignHolder(lease *coordinationv1.Lease) {
	now := metav1.NowMicro()
	lease.Spec.HolderIdentity = new("stranger")
	lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
	transitions := int32(1)
	if lease.Spec.LeaseTransitions != nil {
		transitions += *lease.Spec.LeaseTransitions
	}
	lease.Spec.LeaseTransitions = &transitions
	if seconds := lease.Spec.LeaseDurationSeconds; seconds == nil || *seconds < 3 {
		lease.Spec.LeaseDurationSeconds = new(int32(3))
	}
}
