// Command demo-cluster shows on a real cluster what the gate is for: it installs
// redis by the chart, two Pods of which one runs redis, writes keys through the
// Service, freezes the leader's node, and shows how long clients got no answer
// and that the keys are still there.
//
// It uses the cluster that KUBECONFIG names, or else the one of `make cluster`,
// which it brings up, and takes down again, where none runs. On a cluster whose
// nodes' host is not this machine no node can be frozen: there the leader's Pod
// is deleted by force.
//
// It exits with 1 if a key is lost, a wrong answer was read, or nobody took over.
// What it has made is removed, also when it is interrupted; what a demo that was
// killed has left, the next one removes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

func main() {
	// Up starts this program again as the first process of each machine.
	if len(os.Args) == 3 && os.Args[1] == cluster.MachineCommand {
		fmt.Fprintln(os.Stderr, "demo-cluster:", cluster.RunMachine(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(run())
}

// errInterrupted is the cause of the context's end after a signal.
var errInterrupted = errors.New("interrupted")

// options are what the command line says.
type options struct {
	programs     []string
	images       string
	storageClass string
	set          []string
}

func run() int {
	var o options
	flag.StringVar(&o.images, "images", "bin/images", "`directory` of the image archives, to load into the nodes")
	flag.StringVar(&o.storageClass, "storage-class", "", "`name` of a storage class for ReadWriteMany; empty: a directory that all nodes share")
	flag.Func("set", "a further --set for helm install, such as another name of an image; can be repeated", func(text string) error {
		o.set = append(o.set, text)
		return nil
	})
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "usage: demo-cluster [OPTION…] [DIR…]\n\nfrom the repository's root; DIR… have the programs of the cluster to bring up\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.programs = flag.Args()

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errInterrupted)
	}()

	// client-go complains here of what the demo does to the nodes on purpose.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)

	err := demonstrate(ctx, o)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo-cluster:", err)
		return 130
	default:
		fmt.Fprintln(os.Stderr, "demo-cluster:", err)
		return 1
	}
}

// demonstrate finds the cluster, runs the story on it, and cleans up.
func demonstrate(ctx context.Context, o options) (err error) {
	screen := newScreen(os.Stdout)
	place, err := findPlace(ctx, o, screen)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.leave(context.WithoutCancel(ctx))) }()
	d := &demo{place: place, options: o, screen: screen}
	defer func() { err = errors.Join(err, d.cleanUp(context.WithoutCancel(ctx))) }()
	return d.tell(ctx)
}
