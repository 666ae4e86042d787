//go:build linux

package child

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// maxOutput is how much of a probe's output is kept, in bytes: as much as the
// kubelet keeps.
const maxOutput = 10 << 10

// output gathers what a probe writes. What goes beyond maxOutput is read and
// dropped, so that the probe does not block.
type output struct {
	pipe *os.File
	kept []byte
	done chan struct{}
}

// collect reads from the pipe until its end, or until take.
func collect(pipe *os.File) *output {
	o := &output{pipe: pipe, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		buffer := make([]byte, 4096)
		for {
			n, err := pipe.Read(buffer)
			o.keep(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	return o
}

func (o *output) keep(b []byte) {
	o.kept = append(o.kept, b[:min(len(b), maxOutput-len(o.kept))]...)
}

// take ends the reading and returns what was written until now, also if a
// process that the probe left behind still has the pipe open.
func (o *output) take() []byte {
	defer func() { _ = o.pipe.Close() }()
	if o.pipe.SetReadDeadline(time.Unix(1, 0)) != nil {
		_ = o.pipe.Close()
	}
	<-o.done
	// A deadline stops the reading even where there is something to read: see
	// to the rest without waiting.
	raw, err := o.pipe.SyscallConn()
	if err != nil || o.pipe.SetReadDeadline(time.Time{}) != nil {
		return o.kept
	}
	_ = raw.Read(func(fd uintptr) bool {
		buffer := make([]byte, 4096)
		for len(o.kept) < maxOutput {
			n, err := syscall.Read(int(fd), buffer)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if n <= 0 {
				break
			}
			o.keep(buffer[:n])
		}
		return true
	})
	return o.kept
}

// probeFiles opens stdin, stdout and stderr of a probe, and the end of the pipe
// where its output appears.
func probeFiles() (files []uintptr, closeFiles func(), out *os.File, err error) {
	null, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	// Not os.Pipe: it makes both ends non-blocking, and the mode is shared with
	// the program that gets one, which does not expect that.
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		_ = syscall.Close(null)
		return nil, nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	closeFiles = func() {
		_ = syscall.Close(null)
		_ = syscall.Close(ends[1])
	}
	if err := syscall.SetNonblock(ends[0], true); err != nil {
		closeFiles()
		_ = syscall.Close(ends[0])
		return nil, nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	in := uintptr(ends[1])
	return []uintptr{uintptr(null), in, in}, closeFiles, os.NewFile(uintptr(ends[0]), "probe output"), nil
}
