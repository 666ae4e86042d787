package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Reserve keeps others who reserve from the cluster, as one may freeze a node or
// take the cluster down under another. It waits for its turn, and says so to
// progress, once. The reservation ends with Release or Down, or with the process,
// however that ends.
func (c *Cluster) Reserve(ctx context.Context, progress io.Writer) (*Reservation, error) {
	release, err := reserve(ctx, Dir, progress)
	if err != nil {
		return nil, err
	}
	if !c.state.running() { // whoever had it is taking it down
		release()
		return nil, fmt.Errorf("reserve the cluster: it was taken down meanwhile: %w", ErrNone)
	}
	return &Reservation{release: release}, nil
}

// Reservation is the right to use the cluster alone.
type Reservation struct{ release func() }

// Release lets others in. After Down, or another Release, it does nothing.
func (r *Reservation) Release() { r.release() }

// Down does what the function Down does, for who has the reservation, and ends it,
// also where that fails.
func (r *Reservation) Down(ctx context.Context) error {
	defer r.Release()
	return downReserved(ctx)
}

func reserve(ctx context.Context, dir string, progress io.Writer) (release func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "scenarios.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if isAbsent(err) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("reserve the cluster: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	if err := awaitFlock(ctx, file, progress); err != nil {
		return nil, fmt.Errorf("reserve the cluster: %w", err)
	}
	// Whoever had it may have taken the cluster down, and the file with it.
	mine, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reserve the cluster: %w", err)
	}
	if now, err := os.Stat(file.Name()); err != nil || !os.SameFile(mine, now) {
		return nil, fmt.Errorf("reserve the cluster: it was taken down meanwhile: %w", ErrNone)
	}
	return func() { _ = file.Close() }, nil
}

// awaitFlock asks again and again: a flock(2) that waits cannot be given up.
func awaitFlock(ctx context.Context, file *os.File, progress io.Writer) error {
	for said := false; ; said = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || (!errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR)) {
			return err
		}
		if !said {
			_, _ = fmt.Fprintln(progress, "Others use the cluster; waiting until they are done …")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
