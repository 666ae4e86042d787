package elector

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector/electortest"
)

var (
	seeds    = flag.Int("elector.seeds", 300, "how many random histories to run")
	onlySeed = flag.Int("elector.seed", -1, "the one random history to run")
)

// span is a time during which a process's child may have been alive.
type span struct {
	who       string
	token     uint64
	from, to  time.Duration
	why       string
	unbounded bool // still alive at the end of the history
}

// history is what happened in one bubble.
type history struct {
	w    *world
	seed int

	mu    sync.Mutex
	spans []span
}

func (h *history) begin(who string, token uint64) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spans = append(h.spans, span{who: who, token: token, from: h.w.now(), unbounded: true})
	return len(h.spans) - 1
}

func (h *history) end(i int, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spans[i].to, h.spans[i].why, h.spans[i].unbounded = h.w.now(), why, false
}

// dice are of one goroutine or one kind of request each, so that a seed tells
// the same history again.
func (h *history) dice(what string) *dice {
	sum := fnv.New64a()
	fmt.Fprint(sum, h.seed, " ", what)
	return newDice(sum.Sum64())
}

// weather is what a process's way to the server is like.
type weather struct {
	mu     sync.Mutex
	dices  map[string]*dice
	down   bool // cut off
	broken bool // the process is gone: all fails
	rough  float64
}

func (c *weather) set(f func(*weather)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

func (c *weather) fault(r request) fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	dice := c.dices[r.kind]
	late, slow := dice.below(20*time.Millisecond), dice.below(20*time.Millisecond)
	switch {
	case c.broken:
		return fault{Refuse: errors.New("killed")}
	case c.down:
		if dice.float() < 0.3 { // already on its way
			return fault{Late: dice.below(20 * time.Second), Stubborn: true, Lose: true}
		}
		return fault{Drop: true}
	case dice.float() > c.rough:
		return fault{Late: late, Slow: slow}
	}
	switch p := dice.float(); {
	case p < 0.15:
		return fault{Late: late, Slow: dice.below(12 * time.Second)}
	case p < 0.35:
		return fault{Late: dice.below(12 * time.Second), Slow: slow, Stubborn: dice.float() < 0.5}
	case p < 0.5:
		return fault{Drop: true}
	case p < 0.65:
		return fault{Late: late, Lose: true}
	case p < 0.75:
		return fault{Late: late, Refuse: errServer}
	case p < 0.8:
		return fault{Late: late, Refuse: &wrapped{"busy", refusal{dice.below(20 * time.Second)}}}
	case p < 0.85:
		return fault{Late: late, Refuse: ErrForbidden}
	case p < 0.9 && r.kind != "watch" && r.kind != "read":
		return fault{Late: late, Refuse: ErrConflict}
	case p < 0.95 && r.kind != "watch" && r.kind != "read":
		return fault{Late: late, Idle: true}
	}
	return fault{Late: late, Slow: dice.below(3 * time.Second)}
}

// live is one container's life and that of its successors, until ctx ends.
func (h *history) live(ctx context.Context, name string, rate float64, restarts bool) {
	pauses := h.dice("pauses of " + name)
	for life := 0; h.process(ctx, name, fmt.Sprintf("%s/%d", name, life), rate, restarts); life++ {
		if electortest.Sleep(ctx, pauses.below(3*time.Second)) != nil {
			return
		}
	}
}

// process is one life; killed if it ended by a kill.
func (h *history) process(ctx context.Context, name, id string, rate float64, restarts bool) (killed bool) {
	way := &weather{dices: map[string]*dice{}, rough: 0.15 * h.dice("roughness of "+id).float()}
	for _, kind := range []string{"read", "watch", "create", "acquire", "renew", "release", "claim"} {
		way.dices[kind] = h.dice(kind + " of " + id)
	}
	campaigns := h.dice("jitter of " + id)
	client := h.w.server.connect(name)
	client.on(way.fault)
	instance := process(id)
	instance.PodUID = "pod-" + name
	e, err := New(Config{
		Lock: client, Identity: name, Instance: instance,
		LeaseDuration: lease, RenewDeadline: deadline, RetryPeriod: retry,
		HolderClock: newFakeClock(rate), CandidateClock: newFakeClock(rate),
		Jitter: campaigns.float, Logger: discard(),
	})
	if err != nil {
		h.w.t.Error(err)
		return false
	}
	life, kill := context.WithCancel(ctx)
	defer kill()
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(life) })
	running.Go(func() { // the weather
		dice := h.dice("weather of " + id)
		for electortest.Sleep(life, dice.below(40*time.Second)) == nil {
			switch p := dice.float(); {
			case p < 0.4:
				way.set(func(c *weather) { c.down = true })
				_ = electortest.Sleep(life, dice.below(25*time.Second))
				way.set(func(c *weather) { c.down = false })
			case p < 0.6:
				client.lag(dice.below(4 * time.Second))
			case p < 0.7:
				client.lag(0)
			case p < 0.85:
				client.sever(errServer)
			default:
				client.deaden()
			}
		}
	})
	if restarts {
		running.Go(func() {
			if electortest.Sleep(life, 10*time.Second+h.dice("death of "+id).below(3*time.Minute)) == nil {
				killed = true
				way.set(func(c *weather) { c.broken = true })
				kill()
			}
		})
	}
	endings := h.dice("endings of " + id)
	for life.Err() == nil {
		term, err := e.Campaign(life)
		if err != nil {
			break
		}
		h.lead(life, name, endings, term)
	}
	kill()
	running.Wait()
	return killed
}

// lead is one term of a child that is stopped in every way a gate knows.
func (h *history) lead(life context.Context, name string, dice *dice, term *Term) {
	if !term.Valid() { // as the gate asks before it spawns
		term.Abandon()
		return
	}
	alive := h.begin(name, term.Token())
	planned := time.After(5*time.Second + dice.below(2*time.Minute))
	why := "killed"
	release := false
	select {
	case <-life.Done():
	case <-planned:
		if dice.float() < 0.3 {
			term.Lapse()
			why = "lapsed"
			select {
			case <-term.Expired():
			case <-life.Done():
			}
			break
		}
		why, release = "planned", true
	case <-term.Over():
		// The child takes its time, to the last instant or less.
		why, release = "over: "+term.Cause().Error(), true
		var exits <-chan time.Time
		if dice.float() < 0.5 {
			exits = time.After(dice.below(lease))
		}
		select {
		case <-term.Expired():
		case <-exits:
		case <-life.Done():
			release = false
		}
	}
	h.end(alive, why)
	if release && life.Err() == nil {
		_ = term.Release(life)
	} else {
		term.Abandon()
	}
}

// check looks for two children at one time and for tokens that do not grow.
func (h *history) check() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var wrong []string
	for i, s := range h.spans {
		if s.unbounded {
			wrong = append(wrong, fmt.Sprintf("%s's term %d has no end", s.who, s.token))
		}
		if i == 0 {
			continue
		}
		before := h.spans[i-1]
		if s.from < before.to {
			wrong = append(wrong, fmt.Sprintf("%s began at %v while %s was alive until %v (%s)", s.who, s.from, before.who, before.to, before.why))
		}
		if s.token <= before.token {
			wrong = append(wrong, fmt.Sprintf("%s's token %d after %s's %d", s.who, s.token, before.who, before.token))
		}
	}
	return wrong
}

func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var text strings.Builder
	for _, s := range h.spans {
		fmt.Fprintf(&text, "  %v - %v %s token %d: %s\n", s.from, s.to, s.who, s.token, s.why)
	}
	return text.String()
}

// Whatever the way to the server is like, and however processes end, no two
// children live at one time.
func TestElector_NeverHasTwoHoldersInAnyRandomHistory(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	terms := map[string]int{}
	run := func(seed int) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				h := &history{w: w, seed: seed}
				rates := h.dice("rates")
				// Killed and restarted processes, or a lock that is deleted and
				// emptied by hand: both together are outside the promise.
				restarts := seed%2 == 0
				count := []int{2, 3, 5}[seed%3]
				ctx, end := context.WithCancel(context.Background())
				var lives sync.WaitGroup
				for i := range count {
					rate := 0.995 + 0.01*rates.float()
					lives.Go(func() { h.live(ctx, string(rune('a'+i)), rate, restarts) })
				}
				if !restarts {
					lives.Go(func() { h.vandalize(ctx) })
				}
				w.at(10 * time.Minute)
				end()
				lives.Wait()
				if wrong := h.check(); wrong != nil {
					t.Errorf("seed %d: %s\n%s", seed, strings.Join(wrong, "; "), h)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, s := range h.spans {
					why, _, _ := strings.Cut(s.why, ":")
					terms[why]++
				}
			})
		})
	}
	if *onlySeed >= 0 {
		run(*onlySeed)
		return
	}
	for seed := range *seeds {
		run(seed)
	}
	t.Logf("terms by their end: %v", terms)
	// A history in which little happens proves little.
	for _, why := range []string{"killed", "lapsed", "planned", "over"} {
		if terms[why] < *seeds/3 {
			t.Errorf("only %d terms ended %s", terms[why], why)
		}
	}
}

// vandalize harms the lock by hand, once everybody has seen a holder.
func (h *history) vandalize(ctx context.Context) {
	dice := h.dice("vandal")
	if electortest.Sleep(ctx, 2*time.Minute) != nil {
		return
	}
	edit := h.w.server.edit
	for electortest.Sleep(ctx, dice.below(40*time.Second)) == nil {
		switch p := dice.float(); {
		case p < 0.1:
			edit(func(o *object) { o.labels += "x" })
		case p < 0.2:
			edit(func(o *object) { o.record.Heir, o.record.Instance = "{", "garbage" })
		case p < 0.3:
			edit(func(o *object) { o.record.Heir = claimOf(o.record, "nobody") })
		case p < 0.4:
			edit(func(o *object) { o.unknown += "x" })
		case p < 0.5:
			edit(func(o *object) { o.record.LeaseDuration += 5 * time.Second })
		case p < 0.7:
			h.w.server.remove()
		case p < 0.85:
			edit(func(o *object) { o.record = Record{LeaseDuration: o.record.LeaseDuration} })
		default:
			edit(func(o *object) { o.record = Record{} })
		}
	}
}

func TestHistory_FindsOverlapsAndShrinkingTokens(t *testing.T) {
	t.Parallel()
	h := &history{spans: []span{
		{who: "a", token: 1, from: 0, to: 5},
		{who: "b", token: 2, from: 4, to: 6},
		{who: "c", token: 2, from: 6, to: 7},
	}}
	if wrong := h.check(); len(wrong) != 2 || !slices.ContainsFunc(wrong, func(s string) bool { return strings.Contains(s, "token") }) {
		t.Errorf("found %v", wrong)
	}
}
