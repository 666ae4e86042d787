package statusfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

// board is a sign that a test reads. A hook, if set, may hold an operation up or
// fail it.
type board struct {
	mu    sync.Mutex
	story []string
	hook  func(operation string) error
	// others: somebody else's leader file is to be seen.
	others atomic.Bool
}

func (b *board) note(operation, text string) error {
	b.mu.Lock()
	hook := b.hook
	b.mu.Unlock()
	if hook != nil {
		if err := hook(operation); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.story = append(b.story, strings.TrimSpace(operation+" "+text))
	return nil
}

func (b *board) raise(text string, may func() bool) error {
	if !may() {
		return errLate
	}
	return b.note("raise", text)
}
func (b *board) touch() error             { return b.note("touch", "") }
func (b *board) shown() bool              { return b.others.Load() }
func (b *board) lower() error             { return b.note("lower", "") }
func (b *board) follow(text string) error { return b.note("follow", text) }

func (b *board) on(hook func(string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook = hook
}

// take returns what has happened since the last call.
func (b *board) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := strings.Join(b.story, ", ")
	b.story = nil
	return all
}

func ends(sig syscall.Signal) bool { return sig != syscall.SIGCHLD && sig != syscall.SIGWINCH }

var extra = []string{"OTHER=1", gate.TokenVariable + "=4711"}

// inBubble runs f with a claim whose goroutine runs.
func inBubble(t *testing.T, change func(*Options), f func(t *testing.T, c *Claim, b *board)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		o := Options{Identity: "pod-a", Ends: ends, Logger: slog.New(slog.DiscardHandler)}
		if change != nil {
			change(&o)
		}
		c := newClaim(o, b)
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		defer func() {
			b.on(nil)
			end()
			running.Wait()
		}()
		f(t, c, b)
	})
}

func want(t *testing.T, b *board, story string) {
	t.Helper()
	synctest.Wait()
	if got := b.take(); got != story {
		t.Errorf("%v: happened %q, want %q", time.Now().UTC().Format("04:05.000"), got, story)
	}
}

func TestClaim_TouchesItsFilesEveryTwoSeconds(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		time.Sleep(4 * time.Second)
		want(t, b, "lower, follow pod-a, lower, follow pod-a")
		p, err := c.Start(extra, always)
		must(t, err)
		want(t, b, "raise pod-a")
		c.Changed() // of no interest without an expiry
		time.Sleep(4 * time.Second)
		want(t, b, "touch, touch")
		must(t, p.Signal(syscall.SIGTERM))
		must(t, p.Sweep(t.Context()))
		want(t, b, "lower, follow pod-a")
	})
}

func TestClaim_WritesALeaderFileAnewThatSomebodyHasRemoved(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		p, err := c.Start(extra, always)
		must(t, err)
		want(t, b, "raise pod-a")
		b.on(func(operation string) error {
			if operation == "touch" {
				return syscall.ENOENT
			}
			return nil
		})
		time.Sleep(touchPeriod)
		want(t, b, "raise pod-a")
		must(t, p.Sweep(t.Context()))
	})
}

func TestClaim_WarnsOnceOfOthersThatWriteItsFiles(t *testing.T) {
	t.Parallel()
	const remedy = "a status file or directory of its own"
	for _, expiry := range []bool{false, true} {
		var log strings.Builder // read and written by turns
		told := func(o *Options) {
			o.Dir, o.Logger = "/run/leader", slog.New(slog.NewTextHandler(&log, nil))
			if expiry {
				o.Expires = func() time.Duration { return time.Minute }
			}
		}
		inBubble(t, told, func(t *testing.T, c *Claim, b *board) {
			p, err := c.Start(extra, always)
			must(t, err)
			b.on(func(operation string) error {
				if operation == "touch" {
					return syscall.ENOENT
				}
				return nil
			})
			time.Sleep(3*touchPeriod + time.Second)
			must(t, p.Sweep(t.Context()))
		})
		if got := log.String(); strings.Count(got, remedy) != 1 || !strings.Contains(got, "removed by another") || !strings.Contains(got, "/run/leader") {
			t.Errorf("leading, expiry %t: %s", expiry, got)
		}
		log.Reset()
		inBubble(t, told, func(t *testing.T, _ *Claim, b *board) {
			time.Sleep(3*touchPeriod + time.Second)
			synctest.Wait()
			if log.Len() > 0 {
				t.Errorf("alone: %s", &log)
			}
			b.others.Store(true)
			time.Sleep(3 * touchPeriod)
		})
		if got := log.String(); strings.Count(got, remedy) != 1 || !strings.Contains(got, "of another process was there") {
			t.Errorf("standing by, expiry %t: %s", expiry, got)
		}
	}
}

func TestNew_SaysWhichFormIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, o := range map[string]Options{
		"in a directory\" directory=" + dir + "/d": {Dir: dir + "/d"},
		"replica leads\" file=" + dir + "/f":       {File: dir + "/f"},
		"set STATUS_DIR\" file=" + dir + "/g":      {File: dir + "/g", Optional: true},
	} {
		var log strings.Builder
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		_, err := New(o)
		must(t, err)
		if !strings.Contains(log.String(), want) {
			t.Errorf("said %s, want %s", &log, want)
		}
	}
}

func TestClaim_WritesExpiryAndTokenAtEachRenewal(t *testing.T) {
	t.Parallel()
	var left atomic.Int64
	expires := func(o *Options) { o.Expires = func() time.Duration { return time.Duration(left.Load()) } }
	inBubble(t, expires, func(t *testing.T, c *Claim, b *board) {
		line := func(left time.Duration) string {
			return fmt.Sprintf("raise pod-a\n%s\n4711", time.Now().Add(left).UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		left.Store(int64(15*time.Second + 999*time.Microsecond))
		p, err := c.Start(extra, always)
		must(t, err)
		want(t, b, line(15*time.Second))
		time.Sleep(100 * time.Millisecond)
		left.Store(int64(14 * time.Second))
		c.Changed()
		want(t, b, "touch, "+line(14*time.Second))
		must(t, p.Sweep(t.Context()))
	})
}

func TestClaim_IsLoweredWhenItMayNotBeMadeAnyMore(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		var over atomic.Bool
		p, err := c.Start(extra, func() bool { return !over.Load() })
		must(t, err)
		synctest.Wait()
		b.take()
		over.Store(true) // as after a stop of this process: nobody could say so in time
		time.Sleep(touchPeriod)
		want(t, b, "lower")
		must(t, p.Sweep(t.Context()))
	})
}

func TestStart_ReturnsNothingWhenItIsTooLate(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		p, err := c.Start(extra, func() bool { return false })
		if p != nil || !errors.Is(err, errLate) || errors.Is(err, gate.ErrUnable) {
			t.Errorf("got %v, %v", p, err)
		}
		want(t, b, "lower, follow pod-a")
		p, err = c.Start(extra, always) // the next term
		must(t, err)
		must(t, p.Sweep(t.Context()))
	})
}

func TestStart_FailsWithWhatKeepsTheFileFromBeingWritten(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		b.on(func(operation string) error {
			if operation == "raise" {
				return syscall.ENOSPC
			}
			return nil
		})
		p, err := c.Start(extra, always)
		if p != nil || !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, gate.ErrUnable) {
			t.Errorf("got %v, %v", p, err)
		}
		want(t, b, "lower, follow pod-a")
	})
}

// gate releases after an error, so a file that may be there must not be one.
func TestStart_FailsOnlyWhenTheFileIsGone(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		b.on(func(string) error { return syscall.EIO })
		p, err := c.Start(extra, always)
		must(t, err)
		<-p.Exited()
		if err := p.Err(); p.Status() != failed || !errors.Is(err, syscall.EIO) || !errors.Is(err, gate.ErrUnable) {
			t.Errorf("it has ended with %d, %v", p.Status(), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Sweep(ctx); !errors.Is(err, syscall.EIO) {
			t.Errorf("Sweep: %v", err)
		}
		b.on(nil)
		must(t, p.Sweep(t.Context()))
	})
}

func TestClaim_SaysWhyItEndsWhenTheFileSystemFailsLate(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		b.on(func(operation string) error {
			if operation == "raise" {
				time.Sleep(time.Minute)
				return syscall.EROFS
			}
			return nil
		})
		p, err := c.Start(extra, always)
		must(t, err)
		<-p.Exited()
		if err := p.Err(); p.Status() != failed || !errors.Is(err, syscall.EROFS) || !errors.Is(err, gate.ErrUnable) {
			t.Errorf("it has ended with %d, %v", p.Status(), err)
		}
		must(t, p.Sweep(t.Context()))
		b.on(nil)
		p, err = c.Start(extra, always) // the next term
		must(t, err)
		must(t, p.Signal(syscall.SIGTERM))
		if err := p.Err(); err != nil {
			t.Errorf("asked to end, it says %v", err)
		}
		must(t, p.Sweep(t.Context()))
	})
}

func TestSweep_ReturnsOnlyWhenTheFileIsGone(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
		p, err := c.Start(extra, always)
		must(t, err)
		b.on(func(operation string) error {
			if operation == "lower" {
				return fmt.Errorf("remove /status/leader: %w", syscall.EROFS)
			}
			return nil
		})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the lease ends"))
		defer cancel()
		err = p.Sweep(ctx)
		if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "/status/leader") || !strings.Contains(err.Error(), "the lease ends") {
			t.Errorf("got %v", err)
		}
		select {
		case <-p.Exited():
		default:
			t.Error("the claim goes on")
		}
		b.on(nil)
		must(t, p.Sweep(t.Context()))
	})
}

// Whatever a file system does, the gate hears signals and the end of the lease.
func TestClaim_HoldsUpNobodyWhenTheFileSystemHangs(t *testing.T) {
	t.Parallel()
	for _, hung := range []string{"raise", "lower"} {
		t.Run(hung, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, c *Claim, b *board) {
				answered := make(chan struct{})
				b.on(func(operation string) error {
					if operation == hung {
						<-answered
					}
					return nil
				})
				begun := time.Now()
				p, err := c.Start(extra, always)
				must(t, err)
				must(t, p.Signal(syscall.SIGTERM))
				<-p.Exited()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := p.Sweep(ctx); !errors.Is(err, errSilent) {
					t.Errorf("Sweep: %v", err)
				}
				if took := time.Since(begun); took > startPatience+time.Second {
					t.Errorf("the gate was held up for %v", took)
				}
				close(answered)
				must(t, p.Sweep(t.Context()))
				synctest.Wait()
				if got := b.take(); !strings.HasPrefix(got, "raise pod-a, lower, follow pod-a") {
					t.Errorf("happened %q", got)
				}
			})
		})
	}
}

func TestProcess_EndsAsOneWouldThatEndsWellOnTermAndInt(t *testing.T) {
	t.Parallel()
	for sig, status := range map[syscall.Signal]int{
		syscall.SIGTERM: 0, syscall.SIGINT: 0, syscall.SIGHUP: 129, syscall.SIGUSR1: 138, syscall.SIGWINCH: -1,
	} {
		inBubble(t, nil, func(t *testing.T, c *Claim, _ *board) {
			p, err := c.Start(extra, always)
			must(t, err)
			must(t, p.Signal(sig))
			select {
			case <-p.Exited():
				if p.Status() != status {
					t.Errorf("%v: status %d, want %d", sig, p.Status(), status)
				}
			default:
				if status >= 0 {
					t.Errorf("%v does not end it", sig)
				}
			}
			must(t, p.Sweep(t.Context()))
		})
	}
}

// On real files, from New to the end.
func TestClaim_IsAFileWhileItsProcessRuns(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "status")
	must(t, os.Mkdir(dir, 0o755))
	leader := filepath.Join(dir, "leader")
	write(t, leader, "left")
	c, err := New(Options{Dir: dir, Identity: "pod-a", Ends: ends, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	if got := content(t, leader); got != "none" {
		t.Errorf("after New: %q", got)
	}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	defer running.Wait()
	defer end()
	p, err := c.Start(extra, always)
	must(t, err)
	if got := content(t, leader); got != "pod-a" {
		t.Errorf("after Start: %q", got)
	}
	// It cannot be removed as long as there is a directory in its place.
	must(t, os.Remove(leader))
	must(t, os.Mkdir(leader, 0o755))
	must(t, p.Signal(syscall.SIGTERM))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Sweep(over); err == nil {
		t.Error("swept, though something of the name is there")
	}
	must(t, os.Remove(leader))
	must(t, p.Sweep(t.Context()))
}

func TestNew_WithoutFilesIsAClaimAllTheSame(t *testing.T) {
	t.Parallel()
	c, err := New(Options{Identity: "pod-a", Ends: ends, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	defer running.Wait()
	defer end()
	p, err := c.Start(extra, func() bool { return false })
	if p != nil || err == nil {
		t.Errorf("too late: %v, %v", p, err)
	}
	if p, err = c.Start(extra, always); err != nil {
		t.Fatal(err)
	}
	must(t, p.Sweep(t.Context()))
	if _, err := New(Options{File: filepath.Join(t.TempDir(), "none", "status"), Identity: "pod-a"}); err == nil {
		t.Error("a file that cannot be written is no error")
	}
}

func TestNew_GoesOnWithoutAFileThatNobodyHasAskedFor(t *testing.T) {
	t.Parallel()
	o := Options{File: filepath.Join(t.TempDir(), "none", "status"), Identity: "pod-a", Logger: slog.New(slog.DiscardHandler)}
	if _, err := New(o); err == nil {
		t.Error("a file that was asked for cannot be written, and that is no error")
	}
	o.Optional = true
	c, err := New(o)
	must(t, err)
	must(t, c.sign.raise("pod-a", always))

	// Somebody may read a leader file that is left, whoever asked for it.
	o.File = t.TempDir()
	if _, err := New(o); err == nil {
		t.Error("what is in the place of the leader file cannot be removed, and that is no error")
	}
}
