//go:build linux

package tree

import "testing"

func TestGroups_NeverOwnThatOfTheGateNorAll(t *testing.T) {
	t.Parallel()
	ours := Groups{Group: 7, Command: 1}
	for _, group := range []int{7, 1, 0, -1} { // kill(-1) is everybody, kill(0) are we
		if ours.Own(group, group) {
			t.Errorf("owns group %d", group)
		}
	}
}
