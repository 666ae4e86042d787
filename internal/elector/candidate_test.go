package elector

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// held is a record that another tool would have written.
func held(holder string, duration time.Duration) Record {
	at := time.Now()
	return Record{HolderIdentity: holder, LeaseDuration: duration, AcquireTime: at, RenewTime: at, LeaseTransitions: 3}
}

// heldBy is a record that another gate would have written.
func heldBy(i Instance, holder string, duration time.Duration) Record {
	r := held(holder, duration)
	r.Instance = mark{Holder: holder, Transitions: r.LeaseTransitions, Instance: &i}.String()
	return r
}

func released() Record {
	return Record{LeaseDuration: time.Second, LeaseTransitions: 3, AcquireTime: time.Now(), RenewTime: time.Now()}
}

// only returns the one request among these.
func only(t *testing.T, w *world, requests []request) request {
	t.Helper()
	if len(requests) != 1 {
		t.Fatalf("at %v: %d requests, want one; all:\n%s", w.now(), len(requests), w.server.story())
	}
	return requests[0]
}

// firstOf returns the first of these requests.
func firstOf(t *testing.T, w *world, requests []request) request {
	t.Helper()
	if len(requests) == 0 {
		t.Fatalf("at %v: no such request; all:\n%s", w.now(), w.server.story())
	}
	return requests[0]
}

// What is left in it tells that somebody held it, perhaps until just now.
func TestCampaign_WaitsOutALockThatWasEmptiedBeforeItCame(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, left := range map[string]Record{
		"its duration":    {LeaseDuration: lease},
		"its transitions": {LeaseTransitions: 3},
		"its times":       {AcquireTime: at, RenewTime: at},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				w.server.put(left)
				a := w.node("a")
				a.campaign().elected(2 * lease)
				wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, lease, lease+2*holdBack)
			})
		})
	}
}

func TestCampaign_TakesAtOnceWhatNobodyHolds(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		prepare     func(*server)
		transitions int
	}{
		"an absent lock":          {func(*server) {}, 0},
		"a lock never held":       {func(s *server) { s.put(Record{}) }, 0},
		"a released lock":         {func(s *server) { s.put(released()) }, 4},
		"deleted before the gate": {func(s *server) { s.put(held("b", lease)); s.remove() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				row.prepare(w.server)
				a := w.node("a")
				term := a.lead()
				if got := w.now(); got > 30*time.Millisecond {
					t.Errorf("elected after %v", got)
				}
				only(t, w, w.server.of("a", "acquire"))
				obs := w.server.look()
				r := obs.Record
				if r.HolderIdentity != "a" || r.LeaseDuration != lease || r.LeaseTransitions != row.transitions ||
					r.AcquireTime.IsZero() || !r.AcquireTime.Equal(r.RenewTime) {
					t.Errorf("the record is %+v", r)
				}
				if term.Token() != obs.Revision {
					t.Errorf("token %d, the acquiring write made revision %d", term.Token(), obs.Revision)
				}
				status := a.Status()
				if !status.Holding || status.ExpiresIn <= lease-blink || status.ExpiresIn > lease || status.Token != term.Token() || status.HolderIdentity != "a" {
					t.Errorf("status %+v", status)
				}
			})
		})
	}
}

func TestCampaign_RecordsItsDurationInWholeSecondsRoundedUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a", func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 1500*time.Millisecond, 900*time.Millisecond, 200*time.Millisecond
		})
		a.lead()
		to := only(t, w, w.server.of("a", "acquire")).to
		if to.LeaseDuration != 2*time.Second {
			t.Errorf("records %v", to.LeaseDuration)
		}
	})
}

func TestCampaign_SendsNothingWhileAnotherHolds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		a := w.node("a")
		a.campaign()
		for w.now() < 10*time.Minute {
			w.after(retry)
			w.server.put(held("b", lease))
		}
		only(t, w, w.server.of("a")) // the watch
		if got := a.Status(); got.HolderIdentity != "b" || got.Holding || got.ExpiresIn != 0 || !got.Known {
			t.Errorf("status %+v", got)
		}
	})
}

func TestCampaign_TakesAReleasedLockAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		a := w.node("a")
		c := a.campaign()
		w.at(5 * time.Second)
		w.server.put(released())
		c.elected(blink)
		wantBetween(t, "acquire", only(t, w, w.server.of("a", "acquire")).sent, 5*time.Second, 5*time.Second+15*time.Millisecond)
	})
}

// A holder that is merely missing may still have a child.
func TestCampaign_WaitsOutTheHolderItSawWhenTheLockIsDeletedOrEmptied(t *testing.T) {
	t.Parallel()
	const gone = 7 * time.Second
	for name, row := range map[string]struct {
		before, want time.Duration // the record's duration
		vanish       func(*server)
	}{
		"deleted":                          {30 * time.Second, 30 * time.Second, func(s *server) { s.remove() }},
		"deleted, without a duration":      {0, lease, func(s *server) { s.remove() }},
		"deleted and made again":           {30 * time.Second, 30 * time.Second, func(s *server) { s.remove(); s.put(Record{}) }},
		"emptied":                          {30 * time.Second, 30 * time.Second, func(s *server) { s.put(Record{LeaseDuration: 30 * time.Second}) }},
		"emptied, without a duration":      {30 * time.Second, 30 * time.Second, func(s *server) { s.put(Record{}) }},
		"emptied, with a shorter duration": {30 * time.Second, 30 * time.Second, func(s *server) { s.put(Record{LeaseDuration: 2 * time.Second}) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				w.server.put(held("b", row.before))
				a := w.node("a")
				c := a.campaign()
				w.at(gone)
				row.vanish(w.server)
				c.elected(time.Minute)
				wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent,
					gone+row.want, gone+row.want+200*time.Millisecond)
			})
		})
	}
}

func TestCampaign_CountsTheRecordsDurationFromTheLastReceivedChange(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		recorded, want time.Duration
	}{
		"longer than its own":  {40 * time.Second, 40 * time.Second},
		"shorter than its own": {5 * time.Second, 5 * time.Second},
		"none":                 {0, lease},
		"nonsense":             {-5 * time.Second, lease},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				const changed, lag = 3 * time.Second, 700 * time.Millisecond
				w.server.put(held("b", row.recorded))
				a := w.node("a")
				a.client.lag(lag)
				c := a.campaign()
				w.at(changed)
				w.server.put(held("b", row.recorded))
				c.elected(time.Minute)
				opens := changed + travel + lag + row.want
				wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, opens, opens+15*time.Millisecond)
			})
		})
	}
}

// What it did not see it cannot rely on, whatever the record's times say.
func TestCampaign_WaitsAWholeDurationFromItsFirstSight(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		old := held("b", lease)
		old.RenewTime = old.RenewTime.Add(-24 * time.Hour)
		w.server.put(old)
		w.at(time.Minute)
		w.node("a").campaign().elected(time.Minute)
		wantBetween(t, "acquire", only(t, w, w.server.of("a", "acquire")).sent,
			time.Minute+lease, time.Minute+lease+20*time.Millisecond)
	})
}

func TestCampaign_IsNotRestartedByMetadata(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(heldBy(process("b/0"), "b", lease))
		a := w.node("a")
		c := a.campaign()
		for i := range 14 {
			w.at(time.Duration(i+1) * time.Second)
			w.server.edit(func(o *object) {
				o.labels = strings.Repeat("x", i+1)
				o.record.Heir = mark{Holder: "b", Transitions: 3, Heir: strings.Repeat("h", i+1)}.String()
				o.record.Instance = "garbage"
			})
		}
		c.elected(2 * time.Second)
		// Somebody else is named heir, so it holds back.
		wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, lease, lease+150*time.Millisecond)
	})
}

// Nor where nobody is named, though such records look alike: the watch has shown
// that there was no other between them. Else whoever labels the lock more often
// than its lease would keep everybody out.
func TestCampaign_IsNotRestartedByMetadataWhileNobodyHolds(t *testing.T) {
	t.Parallel()
	const emptied = 5 * time.Second
	for name, disturb := range map[string]func(w *world, a *node){
		"its watch goes on":                           func(*world, *node) {},
		"its acquire meets a label and its read says": func(_ *world, a *node) { a.client.lag(20 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				w.server.put(held("b", lease))
				a := w.node("a")
				c := a.campaign()
				w.at(emptied)
				w.server.put(Record{LeaseDuration: lease})
				label := func() { w.server.edit(func(o *object) { o.labels += "x" }) }
				for i := range 14 {
					w.at(emptied + time.Duration(i+1)*time.Second)
					label()
				}
				disturb(w, a)
				a.client.on(first(fault{Late: 10 * time.Millisecond}, "acquire"))
				w.at(emptied + lease + 13*time.Millisecond)
				label()
				c.elected(blink)
				if n := len(w.server.of("a", "acquire")); n != 2 {
					t.Errorf("%d acquires, and one should have met the label", n)
				}
			})
		})
	}
}

func TestCampaign_IsRestartedByAnyFieldOfTheSpec(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		c := w.node("a").campaign()
		w.at(10 * time.Second)
		w.server.edit(func(o *object) { o.unknown = "strategy: somebody's" })
		c.elected(time.Minute)
		wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, 10*time.Second+lease, 10*time.Second+lease+20*time.Millisecond)
	})
}

func TestCampaign_CountsOnTheCandidatesClockAlone(t *testing.T) {
	t.Parallel()
	for name, rate := range map[string]float64{"slow": 0.99, "fast": 1.01} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				w.server.put(held("b", lease))
				a := w.node("a", func(c *Config) { c.CandidateClock = newFakeClock(rate) })
				c := a.campaign()
				w.at(5 * time.Second)
				a.boot.Jump(time.Hour) // a suspended machine
				c.elected(time.Minute)
				opens := 2*travel + time.Duration(float64(lease)/rate)
				wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, opens-time.Millisecond, opens+15*time.Millisecond)
			})
		})
	}
}

func TestCampaign_TakesTheSameIdentityBackOnlyFromAProvenPredecessor(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		before func(*Instance) // the one in the record
		now    func(*Instance)
		raw    func(*Record)
		atOnce bool
	}{
		"all as it must be":             {atOnce: true},
		"another boot":                  {before: func(i *Instance) { i.BootID = "other" }},
		"no boot id in the record":      {before: func(i *Instance) { i.BootID = "" }},
		"no boot id on either side":     {before: func(i *Instance) { i.BootID = "" }, now: func(i *Instance) { i.BootID = "" }},
		"another network namespace":     {before: func(i *Instance) { i.NetNS++ }},
		"no namespace on either side":   {before: func(i *Instance) { i.NetNS = 0 }, now: func(i *Instance) { i.NetNS = 0 }},
		"another pod":                   {before: func(i *Instance) { i.PodUID = "other" }},
		"a pod that it does not know":   {now: func(i *Instance) { i.PodUID = "" }, atOnce: true},
		"a pod that was not known":      {before: func(i *Instance) { i.PodUID = "" }, atOnce: true},
		"the former was not PID 1":      {before: func(i *Instance) { i.Init = false }},
		"this one is not PID 1":         {now: func(i *Instance) { i.Init = false }, atOnce: true},
		"the socket was not to be had":  {now: func(i *Instance) { i.Exclusive = false }},
		"no instance":                   {raw: func(r *Record) { r.Instance = "" }},
		"garbage":                       {raw: func(r *Record) { r.Instance = "{" }},
		"null":                          {raw: func(r *Record) { r.Instance = "null" }},
		"left behind: another holder's": {raw: func(r *Record) { r.Instance = strings.Replace(r.Instance, `"holder":"a"`, `"holder":"b"`, 1) }},
		"left behind: an earlier term":  {raw: func(r *Record) { r.LeaseTransitions++ }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				before, now := process("a/before"), process("a/now")
				before.PodUID, now.PodUID = "pod", "pod"
				if row.before != nil {
					row.before(&before)
				}
				if row.now != nil {
					row.now(&now)
				}
				r := heldBy(before, "a", lease)
				if row.raw != nil {
					row.raw(&r)
				}
				w.server.put(r)
				term := w.node("a", func(c *Config) { c.Instance = now }).campaign().elected(time.Minute)
				sent := firstOf(t, w, w.server.of("a", "acquire")).sent
				if row.atOnce {
					wantBetween(t, "acquire", sent, 0, 10*time.Millisecond)
				} else {
					wantBetween(t, "acquire", sent, lease, lease+20*time.Millisecond)
				}
				obs := w.server.look()
				if obs.Record.LeaseTransitions != r.LeaseTransitions {
					t.Errorf("the holder's name is the same, yet transitions went from %d to %d", r.LeaseTransitions, obs.Record.LeaseTransitions)
				}
				if term.Token() != obs.Revision {
					t.Errorf("token %d, revision %d", term.Token(), obs.Revision)
				}
			})
		})
	}
}

// It may live, though its successor could bind the socket: it never had it.
func TestCampaign_DoesNotTakeTheLeaseOfANamesakeThatCouldNotBindTheSocket(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		alone := func(i Instance) func(*Config) { return func(c *Config) { c.Instance = i } }
		former, later := process("a/former"), process("a/later")
		former.Exclusive, later.PodUID = false, former.PodUID
		leads := w.node("a", alone(former)).lead()
		c := w.node("a", alone(later)).campaign()
		w.after(2 * lease)
		if closed(leads.Over()) {
			t.Error("the lease was taken from who lives")
		}
		leads.Abandon()
		c.elected(2 * lease)
	})
}

// client-go carries our annotations along when it takes the lease.
func TestCampaign_DoesNotTakeLeftBehindHintsForItsOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		mine := heldBy(a.Instance, "a", lease)
		theirs := held("client-go", lease)
		theirs.LeaseTransitions++
		theirs.Instance = mine.Instance
		theirs.Heir = mark{Holder: "a", Transitions: 3, Heir: "a"}.String()
		w.server.put(theirs)
		c := a.campaign()
		w.at(5 * time.Second)
		if a.sight.look().heir() != "" || a.sight.look().gate() != nil {
			t.Error("hints of an earlier term count")
		}
		c.elected(time.Minute)
		wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, lease, lease+20*time.Millisecond)
		if n := len(w.server.of("a", "claim")); n != 0 {
			t.Errorf("%d claims under a holder that knows no heirs", n)
		}
	})
}

// The name is the same, and so is the count, but the text of the hint tells
// another process.
func TestCampaign_DoesNotTakeItsNamesakesLeaseForItsOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		twin := process("twin")
		twin.PodUID = "another pod"
		w.server.put(heldBy(twin, "a", lease))
		w.node("a").campaign().elected(time.Minute)
		wantBetween(t, "acquire", firstOf(t, w, w.server.of("a", "acquire")).sent, lease, lease+20*time.Millisecond)
	})
}

func TestCampaign_ReadsBeforeItTriesAgainWhenTheOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		faults  []fault
		applied bool // the first acquire
		within  time.Duration
	}{
		"applied, answer lost":          {[]fault{{Lose: true}}, true, 3 * time.Second},
		"applied, both answers lost":    {[]fault{{Lose: true}, {Lose: true}}, true, 20 * time.Second},
		"applied, answered an error":    {[]fault{{Refuse: errServer}}, false, 5 * time.Second},
		"never arrived, second in time": {[]fault{{Drop: true}}, false, 3 * time.Second},
		"never arrived, twice":          {[]fault{{Drop: true}, {Drop: true}}, false, 20 * time.Second},
		"answered without a change":     {[]fault{{Idle: true}}, false, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				a.client.on(next("acquire", row.faults...))
				term := a.campaign().elected(row.within)
				acquires := w.server.of("a", "acquire", "renew")
				last := acquires[len(acquires)-1]
				if want := a.boot.Now() - (w.now() - last.sent); term.renewed() != want {
					t.Errorf("T0 is %v, the answered write was sent at %v", term.renewed(), want)
				}
				if got := w.server.look().Revision; term.Token() != got {
					t.Errorf("token %d, the answered write made %d", term.Token(), got)
				}
				if row.applied {
					firstOf(t, w, w.server.of("a", "read"))
				}
			})
		})
	}
}

func TestCampaign_DoesNotLeadFromAnAcquireAnsweredTooLate(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.client.on(next("acquire", fault{Slow: 5 * time.Second}, fault{Drop: true}))
		c := a.campaign()
		w.at(time.Second)
		a.boot.Jump(deadline) // suspended while the answer was under way
		term := c.elected(20 * time.Second)
		if n := len(w.server.of("a", "acquire", "renew")); n < 2 {
			t.Fatalf("%d acquires; leads from the late one", n)
		}
		if left := term.renewed() + deadline - a.boot.Now(); left <= 0 || !term.Valid() {
			t.Errorf("the new term has %v left", left)
		}
	})
}

func TestCampaign_SettlesAnAcquireUnderWayWhenItIsStopped(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fault  fault
		within time.Duration
		holder string // afterwards
	}{
		"answered later":       {fault{Slow: time.Second}, 2 * time.Second, ""},
		"arrives later":        {fault{Late: time.Second}, 2 * time.Second, ""},
		"applied, answer lost": {fault{Lose: true}, deadline + time.Second, ""},
		"answered an error":    {fault{Late: time.Second, Refuse: errServer}, 4 * time.Second, ""},
		"lost to somebody":     {fault{Late: time.Second}, 2 * time.Second, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				a := w.node("a")
				a.client.on(next("acquire", row.fault))
				c := a.campaign()
				w.at(10 * time.Millisecond)
				cause := errors.New("told to stop")
				c.stop(cause)
				if row.holder != "" {
					w.server.put(held(row.holder, lease))
				}
				w.at(row.within)
				if !closed(c.done) {
					t.Fatalf("Campaign still runs; requests:\n%s", w.server.story())
				}
				if c.term != nil || !errors.Is(c.err, cause) {
					t.Fatalf("Campaign returned %v, %v", c.term, c.err)
				}
				obs := w.server.look()
				if obs.Record.HolderIdentity != row.holder {
					t.Errorf("the holder is %q, want %q; requests:\n%s", obs.Record.HolderIdentity, row.holder, w.server.story())
				}
				if row.holder == "" && obs.Exists && obs.Record.LeaseDuration > time.Second {
					t.Errorf("left as %+v, which is not released", obs.Record)
				}
				sent := len(w.server.of("a"))
				w.after(time.Minute)
				if now := len(w.server.of("a")); now != sent {
					t.Errorf("%d requests after Campaign had returned", now-sent)
				}
			})
		})
	}
}

func TestCampaign_ReturnsWithinTheRenewDeadlineWhenItIsStoppedAndTheLockIsSilent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.client.on(always(fault{Lose: true}, "acquire", "read", "release"))
		c := a.campaign()
		w.at(time.Second)
		c.stop(context.Canceled)
		w.at(time.Second + deadline + blink)
		if !closed(c.done) {
			t.Errorf("Campaign still runs; requests:\n%s", w.server.story())
		}
	})
}

func TestCampaign_SendsNothingWhenItIsStoppedWhileStandingBy(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.server.put(held("b", lease))
		a := w.node("a")
		c := a.campaign()
		w.at(5 * time.Second)
		c.stop(context.Canceled)
		w.after(0)
		if !closed(c.done) || !errors.Is(c.err, context.Canceled) {
			t.Fatalf("Campaign has not returned at once, or with %v", c.err)
		}
		w.at(time.Minute)
		only(t, w, w.server.of("a")) // the watch
	})
}

// With the lock unreadable there is nothing to settle.
func TestCampaign_ReturnsAtOnceWhenItIsStoppedBeforeItSawTheLock(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.client.on(always(fault{Refuse: errServer}))
		c := a.campaign()
		w.at(time.Second)
		if a.Status().Known {
			t.Error("a lock that was never read is known")
		}
		c.stop(context.Canceled)
		w.after(0)
		if !closed(c.done) {
			t.Error("Campaign still runs")
		}
	})
}

func TestCampaign_TriesAgainWhereItIsForbidden(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		forbidden := &wrapped{"put leases prod/db: add this rule", ErrForbidden}
		a.client.on(always(fault{Refuse: forbidden}, "acquire"))
		c := a.campaign()
		w.at(time.Minute)
		tries := len(w.server.of("a", "acquire"))
		if tries < 20 || tries > 31 {
			t.Errorf("%d tries in a minute", tries)
		}
		if got := a.Status().Unwritable; !errors.Is(got, ErrForbidden) || !strings.Contains(got.Error(), "add this rule") {
			t.Errorf("status says %v", got)
		}
		if a.log.count("add this rule") == 0 {
			t.Error("the log does not say what to add")
		}
		a.client.on(nil)
		c.elected(retry + blink)
		if got := a.Status().Unwritable; got != nil {
			t.Errorf("status still says %v", got)
		}
	})
}

type wrapped struct {
	text string
	err  error
}

func (w *wrapped) Error() string { return w.text }
func (w *wrapped) Unwrap() error { return w.err }

func TestCampaign_WaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.client.on(first(fault{Refuse: &wrapped{"put", refusal{7 * time.Second}}}, "acquire"))
		c := a.campaign()
		w.at(blink)
		before := len(w.server.of("a"))
		w.at(7 * time.Second)
		if n := len(w.server.of("a")) - before; n != 0 {
			t.Errorf("%d requests before the time was over", n)
		}
		c.elected(blink)
	})
}

func TestCampaign_AfterALostRaceWaitsForTheWinner(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		a := w.node("a")
		a.client.lag(500 * time.Millisecond)
		a.campaign()
		w.at(400 * time.Millisecond)
		// The watch is late, so that the write starts from an absent lock.
		w.server.put(held("b", lease))
		w.at(10 * time.Second)
		only(t, w, w.server.of("a", "create", "acquire"))
		only(t, w, w.server.of("a", "read"))
		if got := a.Status().HolderIdentity; got != "b" {
			t.Errorf("the holder is %q", got)
		}
	})
}

// The record looks as it did when the wait began, and yet there was a holder in
// between that this candidate did not see.
func TestCampaign_DoesNotTakeASecondDisappearanceForTheFirst(t *testing.T) {
	t.Parallel()
	for name, vanish := range map[string]func(*server){
		"emptied":                            func(s *server) { s.put(Record{LeaseDuration: lease}) },
		"emptied while its watch was broken": func(s *server) { s.put(Record{LeaseDuration: lease}) },
		"deleted":                            func(s *server) { s.remove() },
		"deleted while a write from the first is under way": func(s *server) { s.remove() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, w *world) {
				w.server.put(held("b", lease))
				a := w.node("a")
				c := a.campaign()
				w.at(5 * time.Second)
				vanish(w.server)
				w.at(6 * time.Second)
				const again = 19 * time.Second
				if name == "emptied while its watch was broken" {
					w.at(again - blink)
					a.client.sever(errServer)
				} else {
					a.client.deaden()
					w.at(18 * time.Second)
				}
				w.server.put(held("c", lease))
				if name == "deleted while a write from the first is under way" {
					// It conflicts, and what is read then is absent as before.
					a.client.on(first(fault{Slow: 2 * time.Second}, "acquire"))
					w.at(5*time.Second + lease + blink)
				} else {
					w.at(again)
				}
				vanish(w.server)
				c.elected(time.Minute)
				if w.now() < again+lease {
					t.Errorf("elected at %v, the holder was there until %v\n%s", w.now(), again, w.server.story())
				}
			})
		})
	}
}
