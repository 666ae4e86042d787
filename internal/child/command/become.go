//go:build linux

package command

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// self marks a process of this program that is to become a command: it is its
// own name (argv[0]) in place of any that a person would give it.
const self = "k8s-await-election: start"

// Becoming is the argument vector with which this program, called anew, does
// nothing but Exec argv in its own environment. Where that fails it says why on
// stderr and ends with ExitStatus. It inherits the descriptor `until`, which is
// open until it has become the command, or has ended; a negative one is none.
func Becoming(until int, argv []string) []string {
	return append([]string{self, strconv.Itoa(until)}, argv...)
}

// The one init of the program, for time alone: what a start of the program costs
// is mostly the initialisation of the Kubernetes packages, and a hand-over waits
// for this one. Packages are initialised in the order of their import paths, once
// what they import is (Go specification, «Program initialization»), and this one
// imports so little that it comes before those.
func init() {
	if os.Args[0] != self || len(os.Args) < 2 {
		return
	}
	if until, err := strconv.Atoi(os.Args[1]); err == nil && until >= 0 {
		syscall.CloseOnExec(until)
	}
	err := Exec(os.Args[2:], os.Environ())
	fmt.Fprintf(os.Stderr, "k8s-await-election: %v\n", err)
	os.Exit(ExitStatus(err))
}
