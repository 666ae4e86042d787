//go:build linux

// Package self is what this program does in place of everything else when the gate
// starts it again: it becomes the command (internal/child/command), or stands
// guard (internal/guard). What it is to be is its name, argv[0], which no person
// would give it. Package child, which starts them, links it in.
package self

import (
	"os"

	"github.com/k8s-await-election/k8s-await-election/internal/child/command"
	"github.com/k8s-await-election/k8s-await-election/internal/guard"
)

// An init, for time and memory alone: what a start of the program costs is mostly the
// initialisation of the Kubernetes packages, and a hand-over waits for these two.
// Packages are initialised in the order of their import paths, once what they import
// is (Go specification, «Program initialization»), and this one imports so little that
// it comes before those.
func init() {
	switch os.Args[0] {
	case command.Name:
		command.Become(os.Args[1:])
	case guard.Name:
		guard.Stand(os.Args[1:])
	}
}
