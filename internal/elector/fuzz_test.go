package elector

import "testing"

// Other tools carry our annotations along unread, and anybody may edit them.
func FuzzMark_CountsOnlyBesideItsOwnRecord(f *testing.F) {
	f.Add(mark{Holder: "a", Transitions: 3, Instance: &Instance{Process: "p"}}.String(), "a", 3)
	f.Add(mark{Transitions: 3, Heir: "b"}.String(), "", 3)
	f.Add(`{"holder":"a","transitions":3,"instance":null}`, "a", 3)
	f.Add("garbage", "a", 3)
	f.Fuzz(func(t *testing.T, text, holder string, transitions int) {
		m := markOf(text, Record{HolderIdentity: holder, LeaseTransitions: transitions})
		if m == (mark{}) {
			return
		}
		if m.Holder != holder || m.Transitions != transitions {
			t.Errorf("%q counts beside holder %q and %d transitions", text, holder, transitions)
		}
		other := Record{HolderIdentity: holder, LeaseTransitions: transitions + 1}
		if markOf(text, other) != (mark{}) {
			t.Errorf("%q counts beside %d transitions too", text, transitions+1)
		}
	})
}
