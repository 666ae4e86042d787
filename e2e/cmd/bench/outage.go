package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// Samples of an outage of the whole API server.
const (
	outageOldEnd = "outage_old_end_ms" // the outage → the old child's last sign
	outageSpare  = "outage_spare_ms"   // (last renewal + lease) − the old child's last sign
	outageGap    = "outage_gap_ms"     // the API answers again → next child's start
)

const (
	// outageBeyond is for how long nobody answers after the lease has run out.
	outageBeyond = time.Second
	// outageAsk is how often it is asked whether the API answers again.
	outageAsk = 5 * time.Millisecond
)

// outage kills the API server, and starts it again when nobody can have a valid
// lease any more.
func (b *bench) outage(ctx context.Context, f *fleet) (map[string]float64, error) {
	asker, err := newAccount(ctx, b.server, b.namespace, f.lease+"-asker")
	if err != nil {
		return nil, err
	}
	old, gate, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	killed, err := record.Now()
	if err != nil {
		return nil, err
	}
	if err := b.server.APIServer.Kill(); err != nil {
		return nil, err
	}
	values, err := f.outlast(ctx, old, gate, killed)
	// Back in any case: others are measured after this.
	restarted := make(chan error, 1)
	go func() { restarted <- b.server.Restart(context.WithoutCancel(ctx)) }()
	answered, unanswered := b.answers(ctx, asker, f.lease)
	if restart := <-restarted; restart != nil {
		return nil, restart
	}
	if err != nil {
		return nil, err
	}
	if unanswered != nil {
		return nil, unanswered
	}
	next, err := f.next(ctx, old)
	if err != nil {
		return nil, err
	}
	values[outageGap] = ms(next.Started - answered)
	return values, nil
}

// outlast waits until the old child is dead and its lease has run out.
func (f *fleet) outlast(ctx context.Context, old record.Run, gate *replica, killed time.Duration) (map[string]float64, error) {
	old, err := f.gone(ctx, old)
	if err != nil {
		return nil, err
	}
	expiry, err := f.expiry(gate.user)
	if err != nil {
		return nil, err
	}
	now, err := record.Now()
	if err != nil {
		return nil, err
	}
	return map[string]float64{outageOldEnd: ms(old.Last - killed), outageSpare: ms(expiry - old.Last)},
		pause(ctx, expiry+outageBeyond-now)
}

// answers waits until the API server serves the Lease to an ordinary user, which is
// later than that it serves at all.
func (b *bench) answers(ctx context.Context, a account, lease string) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, fmt.Errorf("the API server does not come back"))
	defer cancel()
	config := a.config(b.server)
	config.Timeout = time.Second
	client, err := kubernetes.NewForConfig(rest.CopyConfig(config))
	if err != nil {
		return 0, err
	}
	for {
		if _, err := client.CoordinationV1().Leases(b.namespace).Get(ctx, lease, metav1.GetOptions{}); err == nil {
			return record.Now()
		}
		if err := pause(ctx, outageAsk); err != nil {
			return 0, err
		}
	}
}
