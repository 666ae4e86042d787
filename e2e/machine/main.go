// Command machine runs one command in a virtual machine whose clock and power are the
// command's: it may set the one and suspend with the other, and nobody else notices.
//
//	machine -kernel FILE [-file FILE]… [flags] COMMAND ARG…
//
// The machine has a kernel of Debian's or any other that needs no module to boot,
// busybox, and the files in its root directory, all of it in memory: no disk, no
// network. What it prints comes out here, and its exit status is the command's. It
// uses KVM where that works, and is much slower elsewhere.
//
// On /dev/ttyS1 the command has a hand outside of the machine; each request is a line:
//
//	pause 10s   the hypervisor stops the machine, and lets it go on after that time
//	wake 10s    wakes it after that time, from any sleep, until it says …
//	awake
//
// `make clocks` is its caller. Linux on amd64, with qemu-system-x86, busybox-static and
// cpio of Debian.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	status, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "machine:", err)
	}
	os.Exit(status)
}

// run returns the command's exit status, or 1 and why there is none.
func run() (status int, err error) {
	var m machine
	flag.StringVar(&m.kernel, "kernel", "", "boot this `file` (required)")
	flag.IntVar(&m.cpus, "cpus", 2, "how many processors it has")
	flag.IntVar(&m.memory, "memory", 2048, "how much memory, in MiB")
	flag.Func("file", "have this `file` in the root directory; may be repeated", func(name string) error {
		m.files = append(m.files, name)
		return nil
	})
	accelerator := flag.String("accel", "", "QEMU's accelerator, `kvm or tcg`; none: kvm, and tcg where that does not work")
	limit := flag.Duration("timeout", 20*time.Minute, "turn it off after this time")
	flag.Parse()
	if m.kernel == "" || flag.NArg() == 0 {
		return 1, errors.New("no kernel or no command: machine -kernel FILE [-file FILE]… [flags] COMMAND ARG…")
	}
	if err := m.find(); err != nil {
		return 1, err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if m.dir, err = os.MkdirTemp("", "k8s-await-election-machine-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(m.dir)) }()
	if err := m.pack(ctx, flag.Args()); err != nil {
		return 1, err
	}
	if *accelerator != "" {
		return m.boot(ctx, *accelerator)
	}
	if file, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
		fmt.Fprintf(os.Stderr, "machine: without KVM, so it is slow: %v\n", err)
		return m.boot(ctx, "tcg")
	} else if err := file.Close(); err != nil {
		return 1, err
	}
	if status, err = m.boot(ctx, "kvm"); errors.Is(err, errSilent) {
		fmt.Fprintf(os.Stderr, "machine: once more without KVM, so it is slow: %v\n", err)
		return m.boot(ctx, "tcg")
	}
	return status, err
}

// find looks for the programs that it takes.
func (m *machine) find() error {
	var missing error
	for name, path := range map[string]*string{"qemu-system-x86_64": &m.qemu, "busybox": &m.busybox, "cpio": &m.cpio} {
		var err error
		*path, err = exec.LookPath(name)
		missing = errors.Join(missing, err)
	}
	if missing != nil {
		return fmt.Errorf("%w\napt-get install --no-install-recommends qemu-system-x86 busybox-static cpio", missing)
	}
	return nil
}
