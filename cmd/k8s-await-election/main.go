// Command k8s-await-election runs a command only while it holds a lock, as a
// rule a Kubernetes Lease, and has it dead before anybody else may start it.
package main

import (
	"os"
	"os/signal"

	"github.com/k8s-await-election/k8s-await-election/internal/app"
	_ "github.com/k8s-await-election/k8s-await-election/internal/unelected"
)

// version is set by the linker.
var version = "dev"

// room is how many signals may wait while the gate is busy; the channel must
// not be full when one comes, as it would be lost.
const room = 256

func main() {
	os.Exit(app.Main(app.Program{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Version: version,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Catch: func(signals []os.Signal) <-chan os.Signal {
			caught := make(chan os.Signal, room)
			signal.Notify(caught, signals...)
			return caught
		},
	}))
}
