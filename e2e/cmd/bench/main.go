package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	defaultRuns = 10
	defaultIdle = time.Minute
	defaultSoak = time.Minute
	// defaultLeases is a cluster with many elected workloads.
	defaultLeases = 200
)

// Settings are the same for all tools.
type Settings struct {
	Runs   int           `json:"runs"`
	Lease  time.Duration `json:"lease_ns"`
	Renew  time.Duration `json:"renew_deadline_ns"`
	Retry  time.Duration `json:"retry_period_ns"`
	Idle   time.Duration `json:"idle_ns"`
	Settle time.Duration `json:"settle_ns"`
	Soak   time.Duration `json:"soak_ns"`
	// Short is the lease at which the faults are measured as well; 0: they are not.
	Short time.Duration `json:"short_lease_ns"`
	// Crowds are numbers of candidates for one Lease; Leases is a number of
	// leaders at once.
	Crowds []int `json:"crowds"`
	Leases int   `json:"leases"`
}

type options struct {
	settings Settings
	tools    []tool
	ours     bool // the first tool is this project's
	only     []string
	recorder string
	json     string
	svg      string
}

// figureNames are what -only chooses from, in the order of measuring.
var figureNames = []string{"size", "startup", "elected", "idle", "many", "crowd", "electors", "term", "child", "gate", "blackhole", "outage", "sidecar", "soak"}

// errInterrupted is the cause of the context's end after a signal.
var errInterrupted = errors.New("interrupted")

func main() {
	if len(os.Args) > 1 && os.Args[1] == sandboxCommand {
		fmt.Fprintln(os.Stderr, "bench:", enterSandbox(os.Args[2:]))
		os.Exit(126)
	}
	// The replicas are killed when the thread that started them ends: it has to
	// be one that lives as long as the benchmark.
	runtime.LockOSThread()
	os.Exit(run())
}

func run() int {
	o, err := parse(os.Args[1:], os.Getenv("BENCH_RUNS"))
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errInterrupted)
	}()
	switch err := measure(ctx, o); {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "bench: interrupted; everything is stopped and removed")
		return 130
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
}

// parse reads the arguments. runs is what the environment says of their number;
// a flag wins.
func parse(arguments []string, runs string) (options, error) {
	o := options{settings: Settings{Runs: defaultRuns, Crowds: []int{3, 50, 500}}, only: figureNames}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	if runs != "" {
		n, err := strconv.Atoi(runs)
		if err != nil {
			return o, errors.New("BENCH_RUNS: want a number, as in 10")
		}
		o.settings.Runs = n
	}
	gate := flags.String("gate", "", "this project's `binary`; without it only the tools named by -tool are measured")
	flags.Func("tool", "another `NAME=COMMAND LINE` with {child} in it; repeatable", func(text string) error {
		t, err := parseTool(text)
		o.tools = append(o.tools, t)
		return err
	})
	flags.Func("only", "what to measure, of `"+strings.Join(figureNames, ",")+"`; all by default", func(text string) error {
		o.only = strings.Split(text, ",")
		for _, name := range o.only {
			if !slices.Contains(figureNames, name) {
				return fmt.Errorf("%q is none of %s", name, strings.Join(figureNames, ", "))
			}
		}
		return nil
	})
	flags.IntVar(&o.settings.Runs, "runs", o.settings.Runs, "how often each is measured; $BENCH_RUNS sets the default")
	flags.DurationVar(&o.settings.Lease, "lease", 15*time.Second, "duration of the lease")
	flags.DurationVar(&o.settings.Short, "short", defaultShort, "a short lease at which the faults are measured as well, in the default proportions; 0: at none")
	flags.DurationVar(&o.settings.Renew, "renew", 0, "renew deadline; 2/3 of the lease if not given")
	flags.DurationVar(&o.settings.Retry, "retry", 0, "retry period; 2/15 of the lease if not given")
	flags.DurationVar(&o.settings.Idle, "idle", defaultIdle, "how long nothing happens")
	flags.DurationVar(&o.settings.Settle, "settle", 5*time.Second, "how long a new fleet is left alone before a fault")
	flags.DurationVar(&o.settings.Soak, "soak", defaultSoak, "soak: for how long the leadership goes around")
	flags.IntVar(&o.settings.Leases, "leases", defaultLeases, "many: how many leaders, each on a Lease of its own")
	flags.Func("crowds", "crowd, electors: how many candidates for one Lease, as in 50,500 (3,50,500 by default)", func(text string) (err error) {
		o.settings.Crowds = nil
		for word := range strings.SplitSeq(text, ",") {
			size, err := strconv.Atoi(word)
			if err != nil || size < 2 {
				return errors.New("want numbers from 2 on, as in 50,500")
			}
			o.settings.Crowds = append(o.settings.Crowds, size)
		}
		return nil
	})
	flags.StringVar(&o.recorder, "recorder", "", "the recorder's `binary`; built if not given")
	flags.StringVar(&o.json, "json", "", "write all samples to this `file`")
	flags.StringVar(&o.svg, "svg", "", "draw all times to this `file`")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	s := &o.settings
	s.Renew = cmp.Or(s.Renew, s.Lease*2/3)
	s.Retry = cmp.Or(s.Retry, s.Lease*2/15)
	if *gate != "" {
		o.ours = true
		o.tools = append([]tool{{name: "k8s-await-election", template: []string{*gate, "{child}"}, ours: true}}, o.tools...)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; options are listed by -help", flags.Arg(0))
	case len(o.tools) == 0:
		return o, errors.New("nothing to measure: name this project's binary by -gate, or another tool by -tool")
	case s.Runs < 1:
		return o, errors.New("-runs: want at least 1")
	case s.Lease < time.Second || s.Lease%time.Second != 0:
		return o, errors.New("-lease: want whole seconds, as a Lease keeps them; as in 15s")
	case s.Short != 0 && s.Short < time.Second || s.Short%time.Second != 0:
		return o, errors.New("-short: want whole seconds, as in 1s, or 0")
	case s.Renew <= 0 || s.Renew >= s.Lease || s.Retry <= 0 || s.Retry >= s.Renew:
		return o, errors.New("want -retry < -renew < -lease, as in 2s, 10s and 15s")
	case s.Leases < 1:
		return o, errors.New("-leases: want at least 1")
	case s.Idle <= 0 || s.Settle < 0 || s.Soak <= 0:
		return o, errors.New("-idle and -soak must be positive, -settle must not be negative")
	}
	return o, nil
}
