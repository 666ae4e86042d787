package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// announced tells when somebody waits.
type announced chan struct{}

func (a announced) Write(text []byte) (int, error) {
	close(a)
	return len(text), nil
}

// second reserves beside a first one, who is returned with it once the second
// has said that it waits.
func second(t *testing.T, dir string) (first func(), outcome <-chan error) {
	t.Helper()
	first, err := reserve(t.Context(), dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	waits, done := make(announced), make(chan error, 1)
	go func() {
		release, err := reserve(t.Context(), dir, waits)
		if err == nil {
			release()
		}
		done <- err
	}()
	<-waits
	return first, done
}

func TestReserve_LetsTheNextInWhenTheFirstIsDone(t *testing.T) {
	t.Parallel()
	first, outcome := second(t, t.TempDir())
	select {
	case err := <-outcome:
		t.Fatalf("two at once, %v", err)
	default:
	}
	first()
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

func TestReserve_FindsNoClusterWhereTheFirstHasTakenItDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, outcome := second(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	first()
	if err := <-outcome; !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

func TestReserve_FindsNoClusterWhereThereIsNoDirectory(t *testing.T) {
	t.Parallel()
	if _, err := reserve(t.Context(), t.TempDir()+"/absent", io.Discard); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

func TestReserve_GivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := reserve(t.Context(), dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer first()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := reserve(ctx, dir, io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
