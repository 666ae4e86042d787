package probe

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// verdicts records what Watch reports.
type verdicts struct {
	mu    sync.Mutex
	began time.Time
	all   []verdict
}

type verdict struct {
	at    time.Duration
	ready bool
}

func (v *verdicts) changed(ready bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, verdict{time.Since(v.began), ready})
}

func (v *verdicts) want(t *testing.T, want ...verdict) {
	t.Helper()
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.Equal(v.all, want) {
		t.Errorf("reported %v; want %v", v.all, want)
	}
}

// watch starts the command and Watch, and ends both with the test.
func watch(t *testing.T, checks *Checks) *verdicts {
	t.Helper()
	v := &verdicts{began: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	checks.Started()
	go func() {
		defer close(done)
		checks.Watch(ctx, v.changed)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		checks.Stopped()
		synctest.Wait()
	})
	return v
}

func TestWatch_ReportsReadyAtOnceWithoutProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := watch(t, newCommand().checks(t, map[Kind]string{Liveness: ""}))
		v.want(t, verdict{0, true})
		time.Sleep(time.Hour)
		v.want(t, verdict{0, true})
	})
}

func TestWatch_ReportsReadyWhenTheStartupProbeHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		v := watch(t, c.checks(t, map[Kind]string{Startup: `"initialDelaySeconds":5`}))
		time.Sleep(5*time.Second + 50*time.Millisecond)
		v.want(t)
		c.set("start", true)
		time.Sleep(time.Second)
		v.want(t, verdict{5070 * time.Millisecond, true})
		time.Sleep(time.Hour)
		want := []time.Duration{5 * time.Second, 5010 * time.Millisecond, 5030 * time.Millisecond, 5070 * time.Millisecond}
		if ran := c.ran("start"); !slices.Equal(ran, want) {
			t.Errorf("the startup probe ran at %v; want %v", ran, want)
		}
	})
}

func TestWatch_LearnsFromARequestThatTheStartupProbeHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		checks := c.checks(t, map[Kind]string{Startup: `"periodSeconds":3600`})
		v := watch(t, checks)
		time.Sleep(time.Hour + 30*time.Minute)
		c.set("start", true)
		passes(t, "live", checks.Live(t.Context()))
		v.want(t, verdict{time.Hour + 30*time.Minute, true})
	})
}

func TestWatch_RunsReadinessAfterStartupAndInitialDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.set("ready", true)
		v := watch(t, c.checks(t, map[Kind]string{Startup: "", Readiness: `"initialDelaySeconds":30`}))
		time.Sleep(20 * time.Second)
		c.set("start", true)
		time.Sleep(20 * time.Second)
		v.want(t, verdict{30 * time.Second, true})
		if ran := c.ran("ready"); ran[0] != 30*time.Second {
			t.Errorf("the readiness probe ran first after %s; want 30s", ran[0])
		}
	})
}

func TestWatch_AsksEagerlyUntilTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		v := watch(t, c.checks(t, map[Kind]string{Readiness: `"periodSeconds":1`}))
		time.Sleep(2600 * time.Millisecond)
		c.set("ready", true)
		time.Sleep(time.Second)
		c.set("ready", false)
		time.Sleep(2 * time.Second)
		ms := func(n ...int) (all []time.Duration) {
			for _, n := range n {
				all = append(all, time.Duration(n)*time.Millisecond)
			}
			return all
		}
		// Doubling up to the period, and at the period for ever after.
		if want, ran := ms(0, 10, 30, 70, 150, 310, 630, 1270, 2270, 3270, 4270, 5270), c.ran("ready"); !slices.Equal(ran, want) {
			t.Errorf("ran at %v; want %v", ran, want)
		}
		v.want(t, verdict{3270 * time.Millisecond, true})
	})
}

func TestWatch_CountsBothThresholdsAtItsOwnPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.set("ready", true)
		v := watch(t, c.checks(t, map[Kind]string{Readiness: `"periodSeconds":5,"successThreshold":2,"failureThreshold":3`}))
		ready := verdict{5 * time.Second, true}
		time.Sleep(4 * time.Second) // 4 s
		v.want(t)
		time.Sleep(4 * time.Second) // 8 s: passed at 0 and 5
		v.want(t, ready)
		c.set("ready", false)
		time.Sleep(10 * time.Second) // 18 s: failed at 10 and 15
		c.set("ready", true)
		time.Sleep(5 * time.Second) // 23 s: passed at 20, the count is void
		c.set("ready", false)
		time.Sleep(14 * time.Second) // 37 s: failed at 25, 30 and 35
		unready := verdict{35 * time.Second, false}
		v.want(t, ready, unready)
		time.Sleep(time.Minute) // 97 s: it goes on failing
		v.want(t, ready, unready)
		c.set("ready", true)
		time.Sleep(5 * time.Second) // 102 s: passed at 100
		c.set("ready", false)
		time.Sleep(5 * time.Second) // 107 s: failed at 105, the count is void
		c.set("ready", true)
		time.Sleep(10 * time.Second) // 117 s: passed at 110 and 115
		v.want(t, ready, unready, verdict{115 * time.Second, true})
	})
}

func TestWatch_TakesAProbeThatHangsForAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.set("ready", true)
		v := watch(t, c.checks(t, map[Kind]string{Readiness: `"periodSeconds":10,"timeoutSeconds":3,"failureThreshold":2`}))
		time.Sleep(5 * time.Second)
		c.hang("ready")
		time.Sleep(time.Minute)
		v.want(t, verdict{0, true}, verdict{23 * time.Second, false})
		// The pace is from start to start.
		if ran := c.ran("ready"); ran[2]-ran[1] != 10*time.Second {
			t.Errorf("ran at %v; want every 10s", ran)
		}
	})
}

func TestWatch_ReportsNothingAfterTheEndOfTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.set("ready", true)
		checks := c.checks(t, map[Kind]string{Readiness: `"failureThreshold":1`})
		v := watch(t, checks)
		time.Sleep(15 * time.Second)
		checks.Stopped()
		c.set("ready", false)
		time.Sleep(time.Hour)
		v.want(t, verdict{0, true})
		if ran := len(c.ran("ready")); ran != 2 {
			t.Errorf("the readiness probe ran %d times; want 2, none after the end", ran)
		}
	})
}

// The end of the context or of the command also ends the probe that is in
// flight, and that is no failure of the command.
func TestWatch_TakesNoProbeForFailedThatItsEndHasCutShort(t *testing.T) {
	for name, end := range map[string]func(context.CancelFunc, *Checks){
		"end of the context": func(cancel context.CancelFunc, _ *Checks) { cancel() },
		"end of the command": func(_ context.CancelFunc, checks *Checks) { checks.Stopped() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCommand()
				c.set("ready", true)
				checks := c.checks(t, map[Kind]string{Readiness: `"failureThreshold":1,"timeoutSeconds":60`})
				ctx, cancel := context.WithCancel(t.Context())
				v := &verdicts{began: time.Now()}
				done := make(chan struct{})
				checks.Started()
				go func() {
					defer close(done)
					checks.Watch(ctx, v.changed)
				}()
				time.Sleep(time.Second)
				c.hang("ready")
				time.Sleep(20 * time.Second) // within the run of 10 s
				end(cancel, checks)
				time.Sleep(time.Hour)
				v.want(t, verdict{0, true})
				cancel()
				<-done
				checks.Stopped()
			})
		})
	}
}

func TestWatch_CountsDelaysFromTheStartOfTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		c.set("start", true)
		c.set("ready", true)
		checks := c.checks(t, map[Kind]string{Startup: `"initialDelaySeconds":5`, Readiness: `"initialDelaySeconds":8`})
		checks.Started()
		time.Sleep(3 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		v := &verdicts{began: c.began}
		done := make(chan struct{})
		go func() {
			defer close(done)
			checks.Watch(ctx, v.changed)
		}()
		time.Sleep(time.Minute)
		v.want(t, verdict{8 * time.Second, true})
		if ran := c.ran("start"); len(ran) != 1 || ran[0] != 5*time.Second {
			t.Errorf("the startup probe ran at %v; want once, at 5s", ran)
		}
		cancel()
		<-done
		checks.Stopped()
	})
}

func TestWatch_ReportsNothingForACommandThatEndedWhileStartingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommand()
		checks := c.checks(t, map[Kind]string{Startup: `"periodSeconds":1`})
		v := watch(t, checks)
		time.Sleep(2 * time.Second)
		checks.Stopped()
		ran := len(c.ran("start"))
		c.set("start", true)
		time.Sleep(time.Hour)
		v.want(t)
		if now := len(c.ran("start")); now != ran {
			t.Errorf("the startup probe ran %d times after the end", now-ran)
		}
	})
}

func TestWatch_EndsWithItsContext(t *testing.T) {
	for name, timing := range map[string]map[Kind]string{
		"without probes":                     nil,
		"within the startup probe's delay":   {Startup: `"initialDelaySeconds":60`},
		"while starting up":                  {Startup: ""},
		"within the readiness probe's delay": {Readiness: `"initialDelaySeconds":60`},
		"while not ready":                    {Readiness: ""},
		"while a probe runs":                 {Readiness: `"timeoutSeconds":60`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCommand()
				if name == "while a probe runs" {
					c.hang("ready")
				}
				checks := c.checks(t, timing)
				checks.Started()
				ctx, cancel := context.WithCancel(t.Context())
				v := &verdicts{began: time.Now()}
				done := make(chan struct{})
				go func() {
					defer close(done)
					checks.Watch(ctx, v.changed)
				}()
				time.Sleep(10*time.Second + time.Nanosecond)
				synctest.Wait()
				select {
				case <-done:
					t.Error("returned before its context had ended")
				default:
				}
				cancelled := time.Now()
				cancel()
				<-done
				if took := time.Since(cancelled); took != 0 {
					t.Errorf("returned %s after its context had ended", took)
				}
				if timing == nil {
					v.want(t, verdict{0, true})
				} else {
					v.want(t)
				}
				checks.Stopped()
			})
		})
	}
}

func TestWatch_WaitsForTheStartOfTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := newCommand().checks(t, nil)
		v := &verdicts{began: time.Now()}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			checks.Watch(ctx, v.changed)
		}()
		time.Sleep(time.Second)
		v.want(t)
		checks.Started()
		v.want(t, verdict{time.Second, true})
		cancel()
		<-done

		// And ends if it never comes.
		checks.Stopped()
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		checks.Watch(ctx, v.changed)
		v.want(t, verdict{time.Second, true})
	})
}
