package fencing_test

import (
	"fmt"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/examples/fencing"
)

// The old leader's machine stands still, its lease runs out, and another leads.
// Then the old one goes on where it was: its write comes too late, and is
// refused.
func ExampleStore_Put() {
	var store fencing.Store
	const old, young = 9007, 9042

	fmt.Println("the old leader:", store.Put(old, "balance", "100"))
	fmt.Println("the new leader:", store.Put(young, "balance", "70"))
	fmt.Println("the old leader:", store.Put(old, "balance", "90"))
	fmt.Println("the new leader:", store.Put(young, "note", "paid"))
	fmt.Println("balance:", store.Get("balance"))
	// Output:
	// the old leader: <nil>
	// the new leader: <nil>
	// the old leader: put balance: token 9007 is of a former leader, 9042 has written since: this process must end
	// the new leader: <nil>
	// balance: 70
}

func TestToken_IsThatOfTheEnvironment(t *testing.T) {
	t.Setenv(fencing.TokenVariable, "9042")
	if token, err := fencing.Token(); err != nil || token != 9042 {
		t.Errorf("%d, %v", token, err)
	}
	t.Setenv(fencing.TokenVariable, "")
	if token, err := fencing.Token(); err == nil {
		t.Errorf("%d without an error", token)
	}
}
