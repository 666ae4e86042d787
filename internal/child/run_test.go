//go:build linux

package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"testing"
)

// running is a gate with a command, beside which probes may run.
func running() (*Supervisor, *Process, *pipe, error) {
	s, pipe, err := newGate()
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := start(s, sh("exec 8>&-; exec sleep 100"))
	return s, p, pipe, err
}

// probe runs a shell script as exec probe and demands a status and an output.
func probe(s *Supervisor, script string, status int, output string) error {
	got, out, err := s.Run(background, sh(script), nil)
	if err != nil || got != status || string(out) != output {
		return fmt.Errorf("probe %q: status %d, output %q, %w, want %d, %q", script, got, out, err, status, output)
	}
	return nil
}

func init() {
	scenarios["probes"] = func([]string) error {
		s, p, pipe, err := running()
		if err != nil {
			return err
		}
		defer func() { _ = p.Sweep(background) }()
		long := strings.Repeat("0123456789abcdef", 1024) // 16 KiB
		if err := errors.Join(
			probe(s, "exit 0", 0, ""),
			probe(s, "echo out; echo err >&2; exit 3", 3, "out\nerr\n"),
			probe(s, "kill -9 $$", 128+9, ""),
			probe(s, "cat; echo $?", 0, "0\n"), // stdin has ended
			probe(s, "printf %s "+long+" "+long, 0, long[:maxOutput]),
			// Left running, with the pipe in its hands: neither waited for nor killed.
			probe(s, "echo first; sleep 100 & exit 2", 2, "first\n"),
			// In a group of its own.
			probe(s, `read -r _ _ _ _ pgrp _ < /proc/$$/stat; test $pgrp = $$`, 0, ""),
		); err != nil {
			return err
		}
		if !pipe.held() {
			return errors.New("what the probe left running has been killed")
		}
		_, _, err = s.Run(background, []string{"printenv", "WORD"}, []string{"PATH=/usr/bin:/bin", "WORD=other"})
		if err != nil {
			return err
		}
		for name, code := range map[string]int{"no-such-command": 127, "/": 126} {
			if status, output, err := s.Run(background, []string{name}, nil); err != nil || status != code || len(output) == 0 {
				return fmt.Errorf("%s: status %d, output %q, error %w; want status %d and a reason", name, status, output, err, code)
			}
		}
		if _, _, err = s.Run(background, nil, nil); err == nil {
			return errors.New("an empty command line is taken")
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		return gone(pipe)
	}

	scenarios["probe timeout"] = func([]string) error {
		s, p, pipe, err := running()
		if err != nil {
			return err
		}
		for round, output := 1, []byte(nil); string(output) != "before\n"; round++ {
			// Where the context ends before Run knows that the spawn is over,
			// there is no output yet: try again.
			if round > 100 {
				return fmt.Errorf("output %q, want what the probe wrote before its end", output)
			}
			ctx, cancel := context.WithCancelCause(background)
			said := make(chan error, 1)
			go func() {
				said <- pipe.hear("ready", round)
				cancel(errDeadline)
			}()
			var status int
			status, output, err = s.Run(ctx, sh("trap '' TERM; echo before; sleep 100 & echo ready >&8; wait"), nil)
			if !errors.Is(err, errDeadline) || status != -1 {
				return fmt.Errorf("status %d, %w, want -1 and the context's cause", status, err)
			}
			if err := <-said; err != nil {
				return err
			}
		}
		// Its whole group is killed, the command is not.
		if err := await("the group's end", func() bool { return !pipe.held() }); err != nil {
			return err
		}
		if _, _, err := s.Run(ended(), sh("exit 0"), nil); !errors.Is(err, errDeadline) {
			return fmt.Errorf("with an ended context: %w", err)
		}
		if p.Status() != -1 {
			return errors.New("the command has ended too")
		}
		return p.Sweep(background)
	}

	scenarios["late probe"] = func([]string) error {
		s, p, pipe, err := running()
		if err != nil {
			return err
		}
		// A spawner that is busy until the context has ended, as with a file
		// system that does not answer.
		busy := &Supervisor{spawns: make(chan spawn)}
		ctx, cancel := context.WithCancelCause(background)
		returned, late := make(chan struct{}), make(chan spawned)
		go func() {
			request := <-busy.spawns
			cancel(errDeadline)
			<-returned
			process, err := s.fork(request)
			request.reply <- spawned{process, err}
			late <- spawned{process, err}
		}()
		_, err = busy.spawn(ctx, spawn{argv: sh("exec sleep 100"), env: os.Environ()})
		if !errors.Is(err, errDeadline) {
			return fmt.Errorf("spawn: %w, want the context's cause", err)
		}
		close(returned)
		probe := <-late
		if probe.err != nil {
			return probe.err
		}
		if err := want(probe.process, 128+9); err != nil {
			return err
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		return gone(pipe)
	}

	scenarios["probes between"] = func([]string) error {
		s, _, err := newGate()
		if err != nil {
			return err
		}
		refused := func(when string) error {
			if _, _, err := s.Run(background, sh("exit 0"), nil); !errors.Is(err, ErrSweeping) {
				return fmt.Errorf("probe %s: %w, want ErrSweeping", when, err)
			}
			return nil
		}
		if err := refused("before the first start"); err != nil {
			return err
		}
		for range 2 {
			p, err := start(s, sh("exit 0"))
			if err != nil {
				return err
			}
			if err := errors.Join(want(p, 0), probe(s, "exit 1", 1, "")); err != nil {
				return err
			}
			if err := errors.Join(p.Sweep(background), refused("after a sweep")); err != nil {
				return err
			}
		}
		return nil
	}

	scenarios["probes at once"] = func([]string) error {
		s, p, pipe, err := newGateWithOrphans()
		if err != nil {
			return err
		}
		const many = 300
		errs := make(chan error, many)
		var group sync.WaitGroup
		for i := range many {
			group.Go(func() {
				want := i % 256
				if i%3 == 0 { // end at any moment, also before it was forked
					ctx, cancel := context.WithTimeout(background, time.Duration(i)*100*time.Microsecond)
					defer cancel()
					status, _, err := s.Run(ctx, sh("(sleep 0 &); exit "+strconv.Itoa(want)), nil)
					if !errors.Is(err, context.DeadlineExceeded) && (err != nil || status != want) {
						errs <- fmt.Errorf("status %d, %w, want %d", status, err, want)
					}
					return
				}
				word := strconv.Itoa(i)
				errs <- probe(s, "echo "+word+"; (sleep 0 &); exit "+strconv.Itoa(want), want, word+"\n")
			})
		}
		group.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				return err
			}
		}
		if err := p.Sweep(background); err != nil {
			return err
		}
		return gone(pipe)
	}

	scenarios["probes against a sweep"] = func([]string) error {
		s, pipe, err := newGate()
		if err != nil {
			return err
		}
		for range 20 {
			p, err := start(s, sh("sleep 100 & exit 0"))
			if err != nil {
				return err
			}
			var group sync.WaitGroup
			results := make(chan error, 8)
			for range 8 {
				group.Go(func() {
					for {
						_, _, err := s.Run(background, sh("setsid sleep 100 & exit 0"), nil)
						if err != nil {
							if !errors.Is(err, ErrSweeping) {
								results <- err
							}
							return
						}
					}
				})
			}
			if err := want(p, 0); err != nil {
				return err
			}
			if err := p.Sweep(background); err != nil {
				return err
			}
			// Now, while probes are still being asked for.
			if pids := childrenOf(os.Getpid()); len(pids) > 0 {
				return fmt.Errorf("children after the sweep: %v", pids)
			}
			group.Wait()
			close(results)
			if err := <-results; err != nil {
				return err
			}
		}
		return gone(pipe)
	}

	scenarios["probe goroutines"] = func([]string) error {
		s, p, _, err := running()
		if err != nil {
			return err
		}
		before := runtime.NumGoroutine()
		for range 10 {
			if err := probe(s, "sleep 100 & echo hello", 0, "hello\n"); err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(background)
			go cancel()
			if _, _, err := s.Run(ctx, sh("sleep 100 & wait"), nil); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("a probe whose context ends: %w", err)
			}
		}
		var stacks [1 << 16]byte
		if err := await("its goroutines' end", func() bool { return runtime.NumGoroutine() <= before }); err != nil {
			return fmt.Errorf("%w:\n%s", err, stacks[:runtime.Stack(stacks[:], true)])
		}
		return p.Sweep(background)
	}
}

// newGateWithOrphans is a gate whose command makes orphans all the time.
func newGateWithOrphans() (*Supervisor, *Process, *pipe, error) {
	s, pipe, err := newGate()
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := start(s, sh("while :; do (sleep 0.01 &); sleep 0.01; done"))
	return s, p, pipe, err
}

func TestRun_TellsStatusAndOutput(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "probes") })
}

func TestRun_KillsTheProbesGroupWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "probe timeout") })
}

func TestRun_KillsAProbeThatAppearsAfterItsContextHasEnded(t *testing.T) {
	t.Parallel()
	succeeds(t, asSubreaper, "late probe")
}

func TestRun_IsRefusedWhenNoCommandRuns(t *testing.T) {
	t.Parallel()
	succeeds(t, asSubreaper, "probes between")
}

func TestRun_HundredsAtOnceEachGetTheirOwnStatus(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "probes at once") })
}

func TestSweep_LeavesNothingOfProbesThatAreStartedMeanwhile(t *testing.T) {
	t.Parallel()
	inBothModes(t, func(t *testing.T, m mode) { succeeds(t, m, "probes against a sweep") })
}

func TestRun_LeavesNoGoroutineBehind(t *testing.T) {
	t.Parallel()
	succeeds(t, asSubreaper, "probe goroutines")
}

func TestOutput_KeepsTheFirst10KiBOfManyWrites(t *testing.T) {
	t.Parallel()
	files, closeFiles, out, err := probeFiles()
	if err != nil {
		t.Fatal(err)
	}
	gathered := collect(out)
	var written []byte
	for i := range 100 {
		line := fmt.Appendf(nil, "%0300d\n", i)
		if _, err := syscall.Write(int(files[1]), line); err != nil {
			t.Fatal(err)
		}
		written = append(written, line...)
	}
	// The write end stays open, as by a process left behind.
	if got := gathered.take(); !bytes.Equal(got, written[:maxOutput]) {
		t.Errorf("%d bytes kept, want the first %d", len(got), maxOutput)
	}
	closeFiles()
}
