package probe

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// command is a fake of what is probed: exec probes named live, ready and start
// ask it. All of its tests run in a bubble, so time is the bubble's.
type command struct {
	mu      sync.Mutex
	began   time.Time
	healthy map[string]bool
	// hangs: the probe answers when its context ends. stuck: not even then,
	// but when the channel is closed.
	hangs map[string]bool
	stuck map[string]chan struct{}
	runs  map[string][]time.Duration
	busy  map[string]int
	most  map[string]int
}

func newCommand() *command {
	return &command{
		began:   time.Now(),
		healthy: map[string]bool{}, hangs: map[string]bool{}, stuck: map[string]chan struct{}{},
		runs: map[string][]time.Duration{}, busy: map[string]int{}, most: map[string]int{},
	}
}

func (c *command) run(ctx context.Context, argv []string) (int, []byte, error) {
	name := argv[0]
	c.mu.Lock()
	c.runs[name] = append(c.runs[name], time.Since(c.began))
	c.busy[name]++
	c.most[name] = max(c.most[name], c.busy[name])
	hangs, stuck := c.hangs[name], c.stuck[name]
	c.mu.Unlock()
	if stuck != nil {
		<-stuck
	} else if hangs {
		<-ctx.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy[name]--
	switch {
	case hangs:
		return 0, nil, ctx.Err()
	case c.healthy[name]:
		return 0, nil, nil
	}
	return 3, []byte("not\nyet"), nil
}

func (c *command) set(name string, healthy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.healthy[name] = healthy
}

func (c *command) hang(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangs[name] = true
}

func (c *command) ran(name string) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.runs[name])
}

// checks makes Checks of the probes given by kind: the JSON without handler.
func (c *command) checks(t *testing.T, timing map[Kind]string) *Checks {
	t.Helper()
	return c.checksLogging(t, timing, slog.New(slog.DiscardHandler))
}

func (c *command) checksLogging(t *testing.T, timing map[Kind]string, log *slog.Logger) *Checks {
	t.Helper()
	o := Options{Run: c.run, Logger: log}
	for kind, text := range timing {
		name := map[Kind]string{Liveness: "live", Readiness: "ready", Startup: "start"}[kind]
		if text != "" {
			text = "," + text
		}
		spec, err := Parse(kind, `{"exec":{"command":["`+name+`"]}`+text+`}`)
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case Liveness:
			o.Liveness = spec
		case Readiness:
			o.Readiness = spec
		case Startup:
			o.Startup = spec
		}
	}
	checks, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return checks
}

// passes and fails assert an answer.
func passes(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v; want it to pass", what, err)
	}
}

func fails(t *testing.T, what string, err error, why ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s passes; want %q", what, why)
		return
	}
	for _, part := range why {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q lacks %q", what, err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %q is more than one line", what, err)
	}
}

func TestNew_RefusesAnExecProbeWithoutRunner(t *testing.T) {
	t.Parallel()
	spec := &Spec{Exec: &Exec{Command: []string{"true"}}}
	_, err := New(Options{Startup: spec, Logger: slog.New(slog.DiscardHandler)})
	fails(t, "New", err, "startup probe")
}

func TestNew_RefusesAProbeWithoutHandler(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Liveness: &Spec{}, Logger: slog.New(slog.DiscardHandler)})
	fails(t, "New", err, "liveness probe")
}

func TestChecks_WithoutProbesPassWhileTheCommandRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := newCommand().checks(t, nil)
		ctx := t.Context()
		passes(t, "live before the start", checks.Live(ctx))
		passes(t, "startup before the start", checks.Startup(ctx))
		fails(t, "ready before the start", checks.Ready(ctx), "does not run")
		checks.Started()
		passes(t, "live", checks.Live(ctx))
		passes(t, "startup", checks.Startup(ctx))
		passes(t, "ready", checks.Ready(ctx))
		checks.Stopped()
		checks.Stopped()
		passes(t, "live after the end", checks.Live(ctx))
		fails(t, "ready after the end", checks.Ready(ctx), "does not run")
	})
}

func TestChecks_AnswerWithTheOutcomeAtThatMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		checks := c.checks(t, map[Kind]string{Liveness: "", Readiness: `"successThreshold":5`})
		checks.Started()
		fails(t, "live", checks.Live(t.Context()), "liveness probe: run live: exit status 3: not yet")
		fails(t, "ready", checks.Ready(t.Context()), "readiness probe: run ready: exit status 3: not yet")
		c.set("live", true)
		c.set("ready", true)
		// Thresholds are the kubelet's: one success is a success.
		passes(t, "live", checks.Live(t.Context()))
		passes(t, "ready", checks.Ready(t.Context()))
		if got := len(c.ran("live")); got != 2 {
			t.Errorf("the liveness probe ran %d times for 2 requests", got)
		}
	})
}

func TestChecks_CountInitialDelayFromTheStartOfTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		checks := c.checks(t, map[Kind]string{Liveness: `"initialDelaySeconds":30`, Readiness: `"initialDelaySeconds":20`})
		time.Sleep(time.Hour) // standing by
		checks.Started()
		time.Sleep(20*time.Second - time.Nanosecond)
		passes(t, "live within its delay", checks.Live(t.Context()))
		fails(t, "ready within its delay", checks.Ready(t.Context()), "20s", "initialDelaySeconds")
		c.set("ready", true)
		fails(t, "ready within its delay, though it would pass", checks.Ready(t.Context()), "initialDelaySeconds")
		if ran := len(c.ran("live")) + len(c.ran("ready")); ran != 0 {
			t.Errorf("probes ran %d times within their delay", ran)
		}
		time.Sleep(time.Nanosecond)
		passes(t, "ready after its delay", checks.Ready(t.Context()))
		time.Sleep(10*time.Second - time.Nanosecond)
		passes(t, "live within its delay", checks.Live(t.Context()))
		time.Sleep(time.Nanosecond)
		fails(t, "live after its delay", checks.Live(t.Context()), "liveness probe")
	})
}

func TestLive_RunsTheStartupProbeUntilItHasPassedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		checks := c.checks(t, map[Kind]string{Liveness: "", Startup: `"periodSeconds":5,"failureThreshold":4`})
		checks.Started()
		passes(t, "live while starting up", checks.Live(t.Context()))
		time.Sleep(19 * time.Second)
		passes(t, "live while starting up, late", checks.Live(t.Context()))
		if len(c.ran("start")) != 2 || len(c.ran("live")) != 0 {
			t.Errorf("startup ran %d times, liveness %d; want 2 and 0", len(c.ran("start")), len(c.ran("live")))
		}
		c.set("start", true)
		passes(t, "live when the startup probe passes", checks.Live(t.Context()))
		c.set("start", false)
		fails(t, "live afterwards", checks.Live(t.Context()), "liveness probe")
		if len(c.ran("start")) != 3 {
			t.Errorf("startup ran %d times; want 3, none after it has passed", len(c.ran("start")))
		}
	})
}

func TestLive_FailsWhenTheStartupProbesPatienceIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		// No liveness probe: as with the kubelet, startup alone is enough.
		checks := c.checks(t, map[Kind]string{Startup: `"initialDelaySeconds":7,"periodSeconds":5,"failureThreshold":4`})
		checks.Started()
		time.Sleep(7*time.Second - time.Nanosecond)
		passes(t, "live within the delay", checks.Live(t.Context()))
		if len(c.ran("start")) != 0 {
			t.Error("the startup probe ran within its delay")
		}
		time.Sleep(20 * time.Second)
		passes(t, "live at the end of patience", checks.Live(t.Context()))
		time.Sleep(time.Nanosecond)
		fails(t, "live after patience", checks.Live(t.Context()), "startup probe has not passed within 27s", "exit status 3")
		c.set("start", true)
		passes(t, "live when it passes late", checks.Live(t.Context()))
	})
}

func TestReady_FailsUntilTheStartupProbeHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.set("ready", true)
		checks := c.checks(t, map[Kind]string{Readiness: "", Startup: `"initialDelaySeconds":1`})
		checks.Started()
		fails(t, "ready within the startup probe's delay", checks.Ready(t.Context()), "startup probe", "initialDelaySeconds")
		time.Sleep(time.Second)
		fails(t, "ready while starting up", checks.Ready(t.Context()), "startup probe", "exit status 3")
		if len(c.ran("ready")) != 0 {
			t.Error("the readiness probe ran before the startup probe had passed")
		}
		c.set("start", true)
		passes(t, "ready when the startup probe passes", checks.Ready(t.Context()))
	})
}

func TestStartup_PassesForGoodOnceItHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		checks := c.checks(t, map[Kind]string{Startup: ""})
		checks.Started()
		fails(t, "startup", checks.Startup(t.Context()), "startup probe: run start: exit status 3")
		c.set("start", true)
		passes(t, "startup", checks.Startup(t.Context()))
		c.set("start", false)
		passes(t, "startup afterwards", checks.Startup(t.Context()))
	})
}

func TestChecks_BeginAnewWithTheNextRunOfTheCommand(t *testing.T) {
	for name, next := range map[string]func(*Checks){
		"after an end": func(c *Checks) { c.Stopped(); c.Started() },
		"without one":  func(c *Checks) { c.Started() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCommand()
				c.set("start", true)
				checks := c.checks(t, map[Kind]string{Startup: "", Liveness: `"initialDelaySeconds":5`})
				checks.Started()
				passes(t, "startup", checks.Startup(t.Context()))
				time.Sleep(5 * time.Second)
				fails(t, "live", checks.Live(t.Context()), "liveness probe")

				c.set("start", false)
				next(checks)
				fails(t, "startup of the next run", checks.Startup(t.Context()), "startup probe")
				passes(t, "live of the next run", checks.Live(t.Context()))
			})
		})
	}
}

func TestChecks_ShareTheRunInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		gate := make(chan struct{})
		c.stuck["live"] = gate
		c.set("live", true)
		checks := c.checks(t, map[Kind]string{Liveness: ""})
		checks.Started()
		answers := make(chan error, 20)
		for range cap(answers) {
			go func() { answers <- checks.Live(t.Context()) }()
		}
		synctest.Wait()
		close(gate)
		for range cap(answers) {
			passes(t, "live", <-answers)
		}
		if got := len(c.ran("live")); got != 1 {
			t.Errorf("%d runs for requests at one time; want 1", got)
		}
	})
}

func TestChecks_AnswerWithinTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.hang("live")
		checks := c.checks(t, map[Kind]string{Liveness: `"timeoutSeconds":4`})
		checks.Started()
		began := time.Now()
		fails(t, "live", checks.Live(t.Context()), "no answer within 4s (timeoutSeconds)")
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("answered after %s", took)
		}
	})
}

func TestChecks_AnswerWithinTheTimeoutThoughAProbeIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		gate := make(chan struct{})
		c.stuck["live"] = gate
		c.set("live", true)
		checks := c.checks(t, map[Kind]string{Liveness: `"timeoutSeconds":4`})
		checks.Started()
		began := time.Now()
		fails(t, "live", checks.Live(t.Context()), "no answer within 4s")
		fails(t, "live asked again", checks.Live(t.Context()), "no answer within 4s")
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("two answers took %s; want 4s, and the second at once", took)
		}
		if got := len(c.ran("live")); got != 1 {
			t.Errorf("%d runs while one is stuck; want 1", got)
		}
		close(gate)
		synctest.Wait()
		passes(t, "live when it is free again", func() error { c.stuck["live"] = nil; return checks.Live(t.Context()) }())
	})
}

func TestChecks_TakeALateSuccessForNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		gate := make(chan struct{})
		c.stuck["start"] = gate
		c.set("start", true)
		checks := c.checks(t, map[Kind]string{Startup: ""})
		checks.Started()
		fails(t, "startup", checks.Startup(t.Context()), "no answer within 1s")
		close(gate)
		synctest.Wait()
		c.set("start", false)
		c.stuck["start"] = nil
		fails(t, "startup after a late success", checks.Startup(t.Context()), "exit status 3")
	})
}

func TestChecks_GoOnForOthersWhenOneRequestIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		gate := make(chan struct{})
		c.stuck["ready"] = gate
		c.set("ready", true)
		checks := c.checks(t, map[Kind]string{Readiness: ""})
		checks.Started()
		impatient, giveUp := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- checks.Ready(impatient) }()
		synctest.Wait()
		go func() { second <- checks.Ready(t.Context()) }()
		synctest.Wait()
		giveUp()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the request that was given up: %v", err)
		}
		close(gate)
		passes(t, "the other request", <-second)
	})
}

func TestStopped_EndsTheProbesInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := newCommand()
		for _, name := range []string{"live", "ready", "start"} {
			c.hang(name)
		}
		timing := map[Kind]string{Liveness: "", Readiness: ""}
		checks := c.checksLogging(t, timing, slog.New(slog.NewTextHandler(&log, nil)))
		checks.Started()
		live, ready := make(chan error, 1), make(chan error, 1)
		go func() { live <- checks.Live(t.Context()) }()
		go func() { ready <- checks.Ready(t.Context()) }()
		starting := c.checks(t, map[Kind]string{Startup: `"failureThreshold":1,"periodSeconds":1`})
		starting.Started()
		startup, startupLive := make(chan error, 1), make(chan error, 1)
		go func() { startup <- starting.Startup(t.Context()) }()
		go func() { startupLive <- starting.Live(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		checks.Stopped()
		starting.Stopped()
		// A command that has ended in good order is not to be killed for it.
		passes(t, "live", <-live)
		passes(t, "startup", <-startup)
		passes(t, "live while starting up", <-startupLive)
		fails(t, "ready", <-ready, "the command has ended")
		if took := time.Since(began); took != 0 {
			t.Errorf("answers came %s after the end", took)
		}
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("logged the end as a failure:\n%s", &log)
		}
	})
}

func TestStopped_LetsNoFurtherProbeBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		checks := c.checks(t, map[Kind]string{Readiness: ""})
		checks.Started()
		r, _ := checks.state() // as a request has it that comes at this moment
		checks.Stopped()
		fails(t, "ready", r.ready.outcome(t.Context()), "the command has ended")
		synctest.Wait()
		if len(c.ran("ready")) != 0 {
			t.Error("a probe was run after the end of the command")
		}
	})
}

// Whoever has seen that the startup probe has not passed may run it again just
// after it has.
func TestStartup_MayPassTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.set("start", true)
		checks := c.checks(t, map[Kind]string{Startup: ""})
		checks.Started()
		r, _ := checks.state()
		passes(t, "startup", r.start.outcome(t.Context()))
		synctest.Wait()
		passes(t, "startup again", r.start.outcome(t.Context()))
		if len(c.ran("start")) != 2 {
			t.Fatal("the probe did not run twice")
		}
	})
}

func TestChecks_LogEachChangeOfAnOutcomeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		c := newCommand()
		checks := c.checksLogging(t, map[Kind]string{Liveness: "", Readiness: ""}, logger)
		checks.Started()
		for _, healthy := range []bool{false, false, true, true, false} {
			c.set("live", healthy)
			c.set("ready", healthy)
			_, _ = checks.Live(t.Context()), checks.Ready(t.Context())
		}
		synctest.Wait()
		for text, want := range map[string]int{
			`msg="probe fails" probe=liveness reason="run live: exit status 3: not yet"`: 2,
			`msg="probe passes" probe=liveness`:                                          1,
			// Not to be ready at first is no news.
			`msg="probe fails" probe=readiness`:  1,
			`msg="probe passes" probe=readiness`: 1,
		} {
			if got := strings.Count(log.String(), text); got != want {
				t.Errorf("%d times %q; want %d, in\n%s", got, text, want, &log)
			}
		}
	})
}

func TestChecks_LogAWarningOnceARun(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	warns := func(context.Context) (string, error) { return "redirect", nil }
	c := newCheck(t.Context(), Liveness, &Spec{Timeout: time.Minute}, warns, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		passes(t, "a success with a warning", c.outcome(t.Context()))
	}
	if got := strings.Count(log.String(), `level=WARN msg="probe passes with a warning" probe=liveness warning=redirect`); got != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("logged\n%s", &log)
	}
}

func TestChecks_AreSafeForConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		for _, name := range []string{"live", "ready", "start"} {
			c.set(name, true)
		}
		checks := c.checks(t, map[Kind]string{Liveness: "", Readiness: "", Startup: ""})
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { checks.Watch(ctx, func(bool) {}) })
			group.Go(func() {
				for range 100 {
					_, _, _ = checks.Live(ctx), checks.Ready(ctx), checks.Startup(ctx)
					time.Sleep(time.Second)
				}
			})
		}
		for range 50 {
			checks.Started()
			time.Sleep(time.Second)
			checks.Stopped()
			time.Sleep(time.Second)
		}
		cancel()
		group.Wait()
		c.mu.Lock() // a probe that was cut short may still be on its way out
		defer c.mu.Unlock()
		for name, most := range c.most {
			if most > 1 {
				t.Errorf("%d runs of %s at one time", most, name)
			}
		}
	})
}
