package gate

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

var (
	seeds    = flag.Int("gate.seeds", 200, "how many random histories to run")
	onlySeed = flag.Int("gate.seed", -1, "the one random history to run")
)

// dice are random numbers from a seed, for several goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed int, what uint64) *dice {
	return &dice{r: rand.New(rand.NewPCG(uint64(seed), what))}
}

// float is in [0,1).
func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

// below is a duration in [0,most).
func (d *dice) below(most time.Duration) time.Duration {
	return time.Duration(d.float() * float64(most))
}

// fault is what happens to one request of a pod whose way is as rough as that.
func (d *dice) fault(rough float64) fault {
	f := fault{Late: d.below(20 * time.Millisecond), Slow: d.below(20 * time.Millisecond)}
	if d.float() > rough {
		return f
	}
	switch p := d.float(); {
	case p < 0.2:
		f.Slow = d.below(12 * time.Second)
	case p < 0.5:
		f.Late, f.Stubborn = d.below(12*time.Second), d.float() < 0.5
	case p < 0.65:
		f.Drop = true
	case p < 0.85:
		f.Lose = true
	default:
		f.Refuse = errServer
	}
	return f
}

// history is one bubble in which everything happens at random.
type history struct {
	*world
	seed int
	dice *dice
	// lives counts the containers, former ones included, by their pod.
	lives map[string]int
}

// container starts a gate in the pod of that name, in place of the one that has
// ended there.
func (h *history) container(name string) *pod {
	d := newDice(h.seed, uint64(len(h.pods)+1))
	life := h.lives[name]
	h.lives[name]++
	return h.pod(fmt.Sprintf("%s/%d", name, life), func(p *pod) {
		rough := 0.1 * d.float()
		p.link.on(func(string) fault { return d.fault(rough) })
		p.election.Identity = name
		p.election.Instance.PodUID = "uid-" + name
		p.election.Instance.NetNS = uint64(name[0])
		p.election.Jitter = d.float
		rate := 0.995 + 0.01*d.float()
		p.boot = newClock(rate)
		if d.float() < 0.3 { // a CPU limit
			p.boot.Late = func() time.Duration { return d.below(300 * time.Millisecond) }
		}
		p.election.HolderClock, p.election.CandidateClock = p.boot, newClock(rate)
		p.config.StandByWhenLost = d.float() < 0.5
		if d.float() < 0.5 {
			p.config.StopTimeout = d.below(10 * time.Second)
		}
		p.command = command{
			deaf:     d.float() < 0.3,
			stopping: d.below(8 * time.Second),
			sweeping: d.below(300 * time.Millisecond),
			undead:   d.float() < 0.1,
		}
		if d.float() < 0.1 {
			p.command.sweeping = d.below(lease)
		}
		p.publisher.lingers = d.below(50 * time.Millisecond)
		p.publisher.emptyHangs = d.float() < 0.1
	})
}

// act does one thing to a pod and returns it, or its next container.
func (h *history) act(p *pod) *pod {
	if p.isOver() {
		name, _, _ := strings.Cut(p.name, "/")
		return h.container(name)
	}
	running := p.process() != nil && !closed(p.process().exited)
	switch r := h.dice.float(); {
	case r < 0.15:
		p.link.cut()
	case r < 0.4:
		p.link.heal()
	case r < 0.46 && (running || h.dice.float() < 0.3):
		h.signal(p, syscall.SIGTERM)
	case r < 0.47:
		h.signal(p, syscall.SIGINT)
	case r < 0.5 && running:
		h.signal(p, syscall.SIGUSR1)
	case r < 0.51:
		p.cancel()
	case r < 0.57 && running:
		p.exit(1)
	case r < 0.65:
		select {
		case p.readiness.changes <- h.dice.float() < 0.7:
		case <-time.After(time.Millisecond):
		}
	case r < 0.67: // a suspend, seen late
		p.boot.JumpUnnoticed(h.dice.below(lease))
		h.after(h.dice.below(100 * time.Millisecond))
		p.boot.Jump(0)
	}
	return p
}

func (h *history) signal(p *pod, sig os.Signal) {
	select {
	case p.signals <- sig:
	default:
	}
}

// life is the time in which something of one process was alive.
type life struct {
	who      string
	token    string
	from, to time.Duration
}

// check looks for two processes at one time, tokens that do not grow, and for
// what a gate may do only when its command is dead and not published.
func check(lives []life, events []event) []string {
	var wrong []string
	lives = slices.SortedStableFunc(slices.Values(lives), func(a, b life) int { return cmp.Compare(a.from, b.from) })
	for i, l := range lives {
		if i == 0 {
			continue
		}
		before := lives[i-1]
		if l.from < before.to {
			wrong = append(wrong, fmt.Sprintf("%s started at %v while %s lived until %v", l.who, l.from, before.who, before.to))
		}
		if len(l.token) < len(before.token) || len(l.token) == len(before.token) && l.token <= before.token {
			wrong = append(wrong, fmt.Sprintf("%s got %s after %s's %s", l.who, l.token, before.who, before.token))
		}
	}
	alive, published := map[string]bool{}, map[string]int{}
	for _, e := range events {
		switch e.what {
		case "started":
			alive[e.who] = true
		case "swept":
			alive[e.who] = false
		case "published":
			published[e.who]++
		case "publishing ended":
			published[e.who]--
		case "released":
			if alive[e.who] {
				wrong = append(wrong, fmt.Sprintf("%s released at %v with a living command", e.who, e.at))
			}
			if published[e.who] != 0 {
				wrong = append(wrong, fmt.Sprintf("%s released at %v while publishing", e.who, e.at))
			}
		}
	}
	return wrong
}

// survey collects the lives of all processes.
func (w *world) survey() (lives []life, wrong []string) {
	for _, p := range w.pods {
		for i, q := range p.processes {
			l := life{p.name, strings.Join(q.extra, " "), q.from, time.Duration(q.to.Load())}
			if l.to == 0 {
				switch l.to = w.story.now(); {
				case i < len(p.processes)-1:
					wrong = append(wrong, fmt.Sprintf("%s started another after %v", p.name, l.from))
				case p.isOver() && !errors.Is(p.err, ErrAlive):
					wrong = append(wrong, fmt.Sprintf("%s ended at %v with a living command: %v", p.name, p.endedAt, p.err))
				case p.isOver(): // and everything in its PID namespace with it
					l.to = p.endedAt
				}
			}
			lives = append(lives, l)
		}
	}
	return lives, wrong
}

// Whatever becomes of requests, clocks, commands and signals, no two commands
// live at one time, and nothing is released before all is dead.
func TestGate_NeverHasTwoCommandsInAnyRandomHistory(t *testing.T) {
	t.Parallel()
	ends := map[string]int{}
	run := func(seed int) {
		inBubble(t, func(w *world) {
			h := &history{world: w, seed: seed, dice: newDice(seed, 0), lives: map[string]int{}}
			pods := []*pod{h.container("a"), h.container("b"), h.container("c")}
			for w.story.now() < 8*time.Minute {
				w.after(h.dice.below(4 * time.Second))
				i := int(3 * h.dice.float())
				pods[i] = h.act(pods[i])
			}
			lives, wrong := w.survey()
			if wrong = append(wrong, check(lives, w.story.all())...); wrong != nil {
				t.Errorf("seed %d: %s\n%s", seed, strings.Join(wrong, "\n  "), w.story)
			}
			ends["commands"] += len(lives)
			for _, p := range w.pods {
				switch {
				case !p.isOver():
					ends["still running"]++
				case errors.Is(p.err, ErrAlive):
					ends["alive"]++
				case errors.Is(p.err, elector.ErrRenewDeadline):
					ends["lost"]++
				case errors.Is(p.err, elector.ErrTaken):
					ends["taken"]++
				case p.process() == nil:
					ends["left while standing by"]++
				default:
					ends["stopped or exited"]++
				}
			}
		})
	}
	if *onlySeed >= 0 {
		run(*onlySeed)
		return
	}
	for seed := range *seeds {
		run(seed)
	}
	t.Logf("%v", ends)
	// A history in which little happens proves little.
	for _, end := range []string{"alive", "lost", "left while standing by", "stopped or exited"} {
		if ends[end] < *seeds/3 {
			t.Errorf("only %d gates ended as: %s", ends[end], end)
		}
	}
}

func TestCheck_FindsOverlapsShrinkingTokensAndEarlyReleases(t *testing.T) {
	t.Parallel()
	fine := []life{{"a", "T=9", 0, 5}, {"b", "T=10", 5, 6}, {"c", "T=11", 7, 9}}
	if wrong := check(fine, nil); wrong != nil {
		t.Errorf("finds %q in a good history", wrong)
	}
	for _, row := range []struct {
		lives  []life
		events []event
		want   string
	}{
		{lives: []life{{"b", "T=10", 4, 6}, {"a", "T=9", 0, 5}}, want: "while a lived"},
		{lives: []life{{"a", "T=10", 0, 5}, {"b", "T=9", 6, 7}}, want: "got T=9"},
		{lives: []life{{"a", "T=10", 0, 5}, {"b", "T=10", 6, 7}}, want: "got T=10"},
		{events: []event{{who: "a", what: "started"}, {who: "a", what: "released"}}, want: "living"},
		{events: []event{{who: "a", what: "published"}, {who: "a", what: "released"}}, want: "publishing"},
	} {
		wrong := check(row.lives, row.events)
		if len(wrong) != 1 || !strings.Contains(wrong[0], row.want) {
			t.Errorf("found %q, want one about %q", wrong, row.want)
		}
	}
}
