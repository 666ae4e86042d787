package elector

import "encoding/json"

// Instance is one run of this program in one place, as it is written beside the
// record so that a restarted container knows its own predecessor's lease. A name
// proves nothing: another Pod may bear it.
type Instance struct {
	// Process is random for every run. It tells this process's own writes from
	// everybody else's.
	Process string `json:"process"`
	// BootID is the kernel's boot_id, NetNS the inode of the network namespace.
	BootID string `json:"boot"`
	NetNS  uint64 `json:"netns"`
	// PodUID is the Pod's UID, empty where it is not known.
	PodUID string `json:"pod,omitempty"`
	// Init says that the gate was PID 1 of its PID namespace: with its death
	// the kernel has killed everything it had started (pid_namespaces(7)). A
	// sidecar, which starts nothing, says so too. Of one that is not Exclusive it
	// is not written.
	Init bool `json:"init"`
	// Exclusive says that this process bound, at its start, the abstract socket
	// of its identity in its network namespace, and holds it. It is not
	// written: it is this process's own proof that a predecessor is gone.
	Exclusive bool `json:"-"`
}

// succeeds reports whether `before` is proven to have ended together with all
// it had started, so that this instance may take its lease back at once.
func (i Instance) succeeds(before Instance) bool {
	return i.Exclusive && before.Init &&
		i.BootID != "" && i.BootID == before.BootID &&
		i.NetNS != 0 && i.NetNS == before.NetNS &&
		(i.PodUID == "" || before.PodUID == "" || i.PodUID == before.PodUID)
}

// mark is the text of a hint: it counts only beside a record with this holder
// and this number of transitions.
type mark struct {
	Holder      string    `json:"holder"`
	Transitions int       `json:"transitions"`
	Instance    *Instance `json:"instance,omitempty"`
	Heir        string    `json:"heir,omitempty"`
	// Crowd is about how many candidates there are.
	Crowd int `json:"crowd,omitempty"`
}

func (m mark) String() string {
	text, err := json.Marshal(m)
	if err != nil { // strings, numbers and booleans alone
		panic(err)
	}
	return string(text)
}

// markOf reads a hint beside the record r. Whatever is not ours, or is about
// another term, is the zero mark.
func markOf(text string, r Record) mark {
	var m mark
	if text == "" || json.Unmarshal([]byte(text), &m) != nil || m.Holder != r.HolderIdentity || m.Transitions != r.LeaseTransitions {
		return mark{}
	}
	return m
}
