package fencing_test

import (
	"fmt"
	"testing"

	"github.com/k8s-await-election/k8s-await-election/examples/fencing"
)

// The old leader's machine stands still between its read and its write, its lease
// runs out, and another leads. Then the old one goes on where it was: its write
// comes too late, and is refused, though the new leader has only read so far.
func Example() {
	var store fencing.Store
	const old, young = 9007, 9042

	fmt.Println("the old leader:", store.Lead(old), store.Put(old, "balance", "100"))
	fmt.Println("the new leader:", store.Lead(young), store.Get("balance"))
	fmt.Println("the old leader:", store.Put(old, "balance", "90"))
	fmt.Println("the new leader:", store.Put(young, "balance", "70"))
	fmt.Println("the old leader:", store.Lead(old))
	fmt.Println("balance:", store.Get("balance"))
	// Output:
	// the old leader: <nil> <nil>
	// the new leader: <nil> 100
	// the old leader: put balance: token 9007 is of a former leader, 9042 leads: this process must end
	// the new leader: <nil>
	// the old leader: lead: token 9007 is of a former leader, 9042 leads: this process must end
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
