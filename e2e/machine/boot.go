package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errSilent: nothing was heard of the machine.
var errSilent = errors.New("the machine does not come up")

// patience is how long it may take to come up. It is for KVM, with which it takes a
// second or two.
const patience = 45 * time.Second

type machine struct {
	kernel              string
	qemu, busybox, cpio string
	cpus, memory        int // MiB
	files               []string
	dir                 string
}

// boot runs the machine until its command has ended, and returns that one's exit
// status.
func (m *machine) boot(ctx context.Context, accelerator string) (status int, err error) {
	ctx, off := context.WithCancelCause(ctx)
	defer off(nil)
	var sockets net.ListenConfig
	console, err := sockets.Listen(ctx, "unix", m.file("console"))
	if err != nil {
		return 1, err
	}
	defer func() { _ = console.Close() }()
	requests, err := sockets.Listen(ctx, "unix", m.file("requests"))
	if err != nil {
		return 1, err
	}
	defer func() { _ = requests.Close() }()

	qemu := exec.CommandContext(ctx, m.qemu,
		"-machine", "pc", "-accel", accelerator, "-cpu", "max,-arch-capabilities",
		"-smp", strconv.Itoa(m.cpus), "-m", strconv.Itoa(m.memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.kernel, "-initrd", m.file("root.cpio"), "-append", "console=ttyS0 quiet panic=-1 no_timer_check",
		"-serial", "unix:"+m.file("console"), "-serial", "unix:"+m.file("requests"), "-monitor", "stdio")
	qemu.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	qemu.Stderr = os.Stderr
	monitor, err := qemu.StdinPipe()
	if err != nil {
		return 1, err
	}
	if err := qemu.Start(); err != nil {
		return 1, fmt.Errorf("start the machine: %w", err)
	}
	h := &host{monitor: monitor, up: make(chan struct{}), ended: make(chan int, 1)}
	var ports sync.WaitGroup
	ports.Go(func() { show(console) })
	ports.Go(func() { h.serve(ctx, requests) })
	go func() {
		select {
		case <-h.up:
		case <-ctx.Done():
		case <-time.After(patience):
			if accelerator == "kvm" {
				off(fmt.Errorf("%w in %v with %s", errSilent, patience, accelerator))
			}
		}
	}()
	err = qemu.Wait()
	_, _ = console.Close(), requests.Close() // it may not have come that far
	ports.Wait()                             // for its last words
	select {
	case status := <-h.ended:
		return status, nil
	default:
	}
	if cause := context.Cause(ctx); cause != nil {
		return 1, cause
	}
	return 1, errors.Join(errors.New("the machine has ended without its command's exit status"), err)
}

// show prints what the machine does.
func show(console net.Listener) {
	connection, err := console.Accept()
	if err != nil {
		return
	}
	defer func() { _ = connection.Close() }()
	_, _ = io.Copy(os.Stdout, connection) // to the end of either
}

// host does what the machine asks of it.
type host struct {
	monitor io.Writer
	up      chan struct{} // closed when the first word comes
	ended   chan int      // the command's exit status
}

func (h *host) serve(ctx context.Context, requests net.Listener) {
	connection, err := requests.Accept()
	if err != nil {
		return
	}
	defer func() { _ = connection.Close() }()
	var awake chan struct{} // closed when the machine is; nil: it has told so
	for lines := bufio.NewScanner(connection); lines.Scan(); {
		word, argument, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		length, _ := time.ParseDuration(argument) // zero is a time too
		switch word {
		case "up":
			close(h.up)
		case "pause":
			h.order("stop")
			stopped := time.Now()
			time.Sleep(length)
			h.order("cont")
			fmt.Fprintf(connection, "paused %v\n", time.Since(stopped).Round(time.Millisecond))
		case "wake":
			awake = make(chan struct{})
			go h.wake(ctx, connection, length, awake)
		case "awake":
			if awake != nil {
				close(awake)
				awake = nil
			}
		case "exit":
			status, err := strconv.Atoi(argument)
			if err != nil {
				status = 1
			}
			h.ended <- status
		}
	}
}

// wake wakes the machine after the time, over and over until it says that it is
// awake: it may not have been asleep yet.
func (h *host) wake(ctx context.Context, line io.Writer, after time.Duration, awake <-chan struct{}) {
	for pause := time.NewTimer(after); ; pause.Reset(time.Second) {
		select {
		case <-ctx.Done():
			return
		case <-awake:
			return
		case <-pause.C:
			h.order("system_wakeup")
			_, _ = io.WriteString(line, "wake\n")
		}
	}
}

// order gives the monitor a command. What it answers is not read: the machine tells
// whether it was done.
func (h *host) order(command string) { _, _ = io.WriteString(h.monitor, command+"\n") }
