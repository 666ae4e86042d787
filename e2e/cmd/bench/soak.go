package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// Samples of a soak. What the gates use is sampled of all three together, one of
// which leads, so that it does not matter which; every list is in the order of
// soakAt.
const (
	soakAt          = "soak_at_s"            // of the samples, since the beginning
	soakHandOvers   = "soak_hand_overs"      // in all
	soakCuts        = "soak_black_holes"     // of them, by a black hole
	soakRSS         = "soak_rss_bytes"       // VmRSS
	soakAnon        = "soak_anon_bytes"      // RssAnon
	soakThreads     = "soak_threads"         //
	soakDescriptors = "soak_descriptors"     // open ones
	soakGoroutines  = "soak_goroutines"      // as /metrics has them
	soakProcesses   = "soak_processes"       // in the gates' PID namespaces, with them
	soakPeriod      = 500 * time.Millisecond // at most one hand-over in each
	soakCutEvery    = 100                    // hand-overs
	soakSamples     = 200                    // about as many
	// soakQuiet is how long after a hand-over a sample is taken: when connections
	// and goroutines that served it are gone.
	soakQuiet   = 200 * time.Millisecond
	soakService = "soak"
	// stranger is who takes the Lease.
	stranger = "stranger"
)

// livingOn is this project's gate, which outlives the loss of its lease, with all
// that it does besides at each change of leadership: it publishes an address of a
// Service, labels its Pod, announces on it, and runs a probe.
func (t tool) livingOn() tool {
	t.template = []string{
		t.template[0], "--on-lost=standby", "--status-endpoint={endpoint}",
		"--service-name=" + soakService, `--service-ports-json=[{"port":80}]`, "--pod-ip=10.0.0.1",
		"--pod-name={identity}", "--pod-namespace={namespace}", "--pod-label=role",
		`--readiness-probe-json={"exec":{"command":["true"]},"periodSeconds":1}`,
		"{child}",
	}
	return t
}

// makePods makes what the API server has of replicas in a cluster: their Service,
// and their Pods, which nobody runs.
func (b *bench) makePods(ctx context.Context) error {
	core := b.server.Client().CoreV1()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: soakService},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if _, err := core.Services(b.namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make a service: %w", err)
	}
	for i := range replicas {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: replicaName(i)},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
		}
		if _, err := core.Pods(b.namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make a pod: %w", err)
		}
	}
	return nil
}

// soak is one fleet whose gates live on while the leadership goes around.
type soak struct {
	*fleet
	b       *bench
	began   time.Time
	samples []map[string]float64
}

// soak hands one Lease over among three gates for as long as the settings say,
// without ending any of them, and returns what they used meanwhile, also beside
// an error.
func (b *bench) soak(ctx context.Context, t tool) (samples []map[string]float64, err error) {
	if err := b.makePods(ctx); err != nil {
		return nil, err
	}
	f, err := b.newFleet(ctx, t.livingOn(), replicas, finest, true)
	s := &soak{fleet: f, b: b}
	defer func() {
		if err != nil && ctx.Err() == nil {
			progress("the replicas' last words:\n%s", f.logs())
		}
		if overlap, later := f.overlap(); later == nil {
			s.samples = append(s.samples, map[string]float64{otherOverlap: ms(overlap)})
		}
		samples, err = s.samples, errors.Join(err, f.stop())
	}()
	if err != nil {
		return nil, err
	}
	return nil, s.run(ctx)
}

// run is the soak from the first child on.
func (s *soak) run(ctx context.Context) error {
	old, gate, err := s.settled(ctx)
	if err != nil {
		return err
	}
	s.began = time.Now()
	handOvers, cuts := 0, 0
	sampled := s.began
	for time.Since(s.began) < s.settings.Soak {
		due := time.Now().Add(soakPeriod)
		handOver := s.depose
		if handOvers++; handOvers%soakCutEvery == 0 {
			cuts++
			handOver = s.cut
		}
		if old, err = handOver(ctx, old, gate); err != nil {
			return fmt.Errorf("hand-over %d: %w", handOvers, err)
		}
		if gate, err = s.replica(old.Name); err != nil {
			return err
		}
		if time.Since(sampled) >= s.settings.Soak/soakSamples {
			sampled = time.Now()
			if err := pause(ctx, soakQuiet); err != nil {
				return err
			}
			if err := s.sample(ctx, handOvers); err != nil {
				return err
			}
		}
		if err := pause(ctx, time.Until(due)); err != nil {
			return err
		}
	}
	s.samples = append(s.samples, map[string]float64{soakHandOvers: float64(handOvers), soakCuts: float64(cuts)})
	return nil
}

// depose has somebody else take the Lease, who gives it up as soon as the old
// child is gone: the gate stands by again, and all three may lead.
func (s *soak) depose(ctx context.Context, old record.Run, gate *replica) (next record.Run, err error) {
	if err := s.edit(ctx, takeLease); err != nil {
		return next, err
	}
	if err := s.died(ctx, old, gate); err != nil {
		return next, err
	}
	if err := s.edit(ctx, releaseLease); err != nil {
		return next, err
	}
	return s.next(ctx, old)
}

// cut holds back everything between the gate and the API server until another
// one leads.
func (s *soak) cut(ctx context.Context, old record.Run, gate *replica) (record.Run, error) {
	gate.proxy.BlackHole()
	defer gate.proxy.Pass()
	next, err := s.next(ctx, old)
	if err != nil {
		return next, err
	}
	return next, s.died(ctx, old, gate)
}

// died waits until the kernel has no process of the old child any more.
func (s *soak) died(ctx context.Context, old record.Run, gate *replica) error {
	child := filepath.Join(gate.processes(), strconv.Itoa(old.PID))
	for deadline := time.Now().Add(s.patience()); ; {
		if _, err := os.Stat(child); errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the old child still runs after %s", s.patience())
		}
		if err := pause(ctx, look/4); err != nil {
			return err
		}
	}
}

// edit changes the Lease as an operator does. A change that says false is not
// written.
func (s *soak) edit(ctx context.Context, change func(*coordinationv1.LeaseSpec, time.Duration) bool) error {
	leases := s.server.Client().CoordinationV1().Leases(s.b.namespace)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		lease, err := leases.Get(ctx, s.lease, metav1.GetOptions{})
		if err != nil || !change(&lease.Spec, s.settings.Lease) {
			return err
		}
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("edit the lease: %w", err)
	}
	return nil
}

// takeLease writes somebody into the record who has not waited for his turn.
func takeLease(spec *coordinationv1.LeaseSpec, duration time.Duration) bool {
	now := metav1.NowMicro()
	transitions := int32(1)
	if spec.LeaseTransitions != nil {
		transitions += *spec.LeaseTransitions
	}
	spec.HolderIdentity, spec.LeaseTransitions = new(stranger), &transitions
	spec.AcquireTime, spec.RenewTime = &now, &now
	spec.LeaseDurationSeconds = new(int32(duration / time.Second))
	return true
}

// releaseLease leaves alone what has become a gate's meanwhile, because the
// stranger's lease ran out.
func releaseLease(spec *coordinationv1.LeaseSpec, _ time.Duration) bool {
	if spec.HolderIdentity == nil || *spec.HolderIdentity != stranger {
		return false
	}
	now := metav1.NowMicro()
	spec.HolderIdentity, spec.LeaseDurationSeconds = new(""), new(int32(1))
	spec.AcquireTime, spec.RenewTime = &now, &now
	return true
}

// sample adds what all gates use at present.
func (s *soak) sample(ctx context.Context, handOvers int) error {
	sum := map[string]float64{soakAt: time.Since(s.began).Seconds()}
	for _, r := range s.replicas {
		if r.hasEnded() {
			return fmt.Errorf("%s has ended", r.name)
		}
		values, err := used(ctx, r)
		if err != nil {
			return fmt.Errorf("look at %s: %w", r.name, err)
		}
		for name, value := range values {
			sum[name] += value
		}
	}
	progress("soak: hand-overs %d, %s", handOvers, describe(sum))
	s.samples = append(s.samples, sum)
	return nil
}
