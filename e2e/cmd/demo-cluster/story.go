package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8s-await-election/k8s-await-election/e2e/cluster"
)

// count is how many keys are written.
const count = 100

// demo is one run of the story. Its methods belong to the main goroutine.
type demo struct {
	place   *place
	options options
	screen  *screen
	// image is the application's, as its Pods have it; empty before they do.
	image string
	// frozen is the node that stands still; nil: none does.
	frozen *cluster.Node
}

// tell runs the story from beginning to end, and returns an error if anything
// went otherwise than it should.
func (d *demo) tell(ctx context.Context) (err error) {
	defer func() {
		if ctx.Err() != nil {
			err = errors.New("interrupted; what was made is removed")
		}
	}()
	if err := d.cleanUp(ctx); err != nil {
		return err
	}
	leader, standby, err := d.begin(ctx)
	if err != nil {
		return err
	}
	ask, timeout, err := d.asker(ctx, standby)
	if err != nil {
		return err
	}
	keys, err := d.write(ctx, ask)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	c := startClient(reading, ask, timeout, keys[0], keys[1])
	defer func() { stop(); <-c.stopped }()
	if err := d.failOver(ctx, leader, c); err != nil {
		return err
	}
	if err := d.check(ctx, ask, keys); err != nil {
		return err
	}
	if err := d.recover(ctx, leader); err != nil {
		return err
	}
	if err := d.check(ctx, ask, keys); err != nil {
		return err
	}
	return d.conclude(c.report())
}

// begin installs redis and shows who leads.
func (d *demo) begin(ctx context.Context) (leader, standby replica, err error) {
	d.screen.say("\n1. Debian's redis, unchanged, is installed behind the gate:\n\n%s\n", helmInstall(d.options.set))
	d.screen.state("   Installing …")
	if err := d.makeHome(ctx); err != nil {
		return leader, standby, err
	}
	began := time.Now()
	if err := d.install(ctx); err != nil {
		return leader, standby, err
	}
	leader, standby, err = d.awaitPair(ctx)
	if err != nil {
		return leader, standby, err
	}
	d.image = leader.pod.Spec.Containers[0].Image
	d.screen.say("   Two Pods are ready after %.1f s:", time.Since(began).Seconds())
	d.show(leader, standby)
	return leader, standby, nil
}

// awaitPair waits until there is a leader and a standby, both ready.
func (d *demo) awaitPair(ctx context.Context) (leader, standby replica, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	err = cluster.Poll(ctx, pollPause, func() error {
		l, standbys, err := d.replicas(ctx)
		if err != nil {
			return err
		}
		if len(standbys) != 1 || !isReady(l.pod) || !isReady(standbys[0].pod) {
			return errors.New("there are not yet two Pods that are ready")
		}
		leader, standby = l, standbys[0]
		return nil
	})
	if err != nil {
		return leader, standby, fmt.Errorf("wait for a leader and a standby: %w%s", err, d.complaints(context.WithoutCancel(ctx)))
	}
	return leader, standby, nil
}

func (d *demo) show(leader, standby replica) {
	d.screen.say("   → %s on %s leads, fencing token %s, and runs redis", leader.pod.Name, leader.pod.Spec.NodeName, leader.token)
	d.screen.say("     %s on %s stands by, and has started nothing", standby.pod.Name, standby.pod.Spec.NodeName)
}

// asker is how the Service is asked, and for how long one question may take.
func (d *demo) asker(ctx context.Context, standby replica) (asker, time.Duration, error) {
	if d.place.host == nil {
		kubectl, err := exec.LookPath("kubectl")
		if err != nil {
			return nil, 0, fmt.Errorf("this cluster's Services are out of reach from here, and so are asked from within a Pod: %w", err)
		}
		return fromPod(kubectl, namespace, standby.pod.Name, release), 5 * time.Second, nil
	}
	service, err := d.place.client.CoreV1().Services(namespace).Get(ctx, release, metav1.GetOptions{})
	if err != nil {
		return nil, 0, err
	}
	return overTCP(net.JoinHostPort(service.Spec.ClusterIP, "6379")), 200 * time.Millisecond, nil
}

// write fills redis with keys that no other run has, and returns them, each
// followed by its value.
func (d *demo) write(ctx context.Context, ask asker) ([]string, error) {
	d.screen.say("\n2. A client writes %d keys through the Service %s, which leads to the leader alone.", count, release)
	run := time.Now().UnixNano()
	var pairs []string
	for i := range count {
		pairs = append(pairs, fmt.Sprintf("key-%d", i+1), fmt.Sprintf("value-%d-%d", i+1, run))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	// Its EndpointSlice is there; the nodes may not have seen it yet.
	err := cluster.Poll(ctx, pollPause, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		// The directory may be one that a killed demo has left.
		if _, err := ask(ctx, "FLUSHALL"); err != nil {
			return err
		}
		_, err := ask(ctx, append([]string{"MSET"}, pairs...)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write keys: %w", err)
	}
	d.screen.say("   It then reads %s = %s over and over, by a new connection each time.", pairs[0], pairs[1])
	return pairs, nil
}

// failOver takes the leader away and waits for the next one.
func (d *demo) failOver(ctx context.Context, old replica, c *client) error {
	lease, err := d.lease(ctx)
	if err != nil {
		return err
	}
	// For the eye: that it is answered all the time.
	if err := d.watch(ctx, c, func() bool { return c.report().answers >= 50 }); err != nil {
		return err
	}
	before := c.report()
	d.screen.say("   %d answers, the longest time between two: %s.", before.answers, span(before.gap))

	c.measure()
	if err := d.strike(ctx, old); err != nil {
		return err
	}
	var next replica
	seen := time.Time{} // when the next leader was
	err = d.watch(ctx, c, func() bool {
		if seen.IsZero() {
			if now, _, err := d.replicas(ctx); err == nil && now.token != old.token {
				next, seen = now, time.Now()
			}
		}
		return !seen.IsZero() && c.report().last.After(seen)
	})
	if err != nil {
		return fmt.Errorf("wait for the next leader: %w%s", err, d.complaints(context.WithoutCancel(ctx)))
	}
	after := c.report()
	d.screen.say("   → %s on %s leads, fencing token %s, and runs redis", next.pod.Name, next.pod.Spec.NodeName, next.token)
	d.screen.say("   The client was without an answer for %s.", span(after.gap))
	if d.frozen != nil {
		d.screen.say("   (The lease lasts %s after its last renewal; until then the old redis may be alive.)", duration(lease))
	} else {
		d.screen.say("   (The old gate was told to stop: it ended its redis and released the lease.)")
	}
	return nil
}

// strike freezes the leader's node, or deletes its Pod.
func (d *demo) strike(ctx context.Context, leader replica) error {
	if d.place.host == nil {
		d.screen.say("\n3. The leader's Pod is deleted by force. (Its node is not frozen: this cluster's nodes are out of reach from here.)")
		now := int64(0)
		return d.place.client.CoreV1().Pods(namespace).Delete(ctx, leader.pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	}
	node, err := d.place.host.Node(leader.pod.Spec.NodeName)
	if err != nil {
		return err
	}
	d.screen.say("\n3. The leader's node, %s, is frozen: kubelet, gate and redis stand still, and tell nobody.", node.Name)
	d.frozen = node
	return node.Freeze(ctx)
}

// watch shows how the client fares until done says so.
func (d *demo) watch(ctx context.Context, c *client, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	return cluster.Poll(ctx, pollPause, func() error {
		if done() {
			return nil
		}
		now := c.report()
		silence := time.Since(now.last)
		if silence < time.Second {
			d.screen.state("   %d answers", now.answers)
		} else {
			d.screen.state("   no answer for %.0f s%s", silence.Seconds(), d.standing(ctx))
		}
		return errors.New("it has not happened")
	})
}

// standing tells who has the Lease, and for how much longer.
func (d *demo) standing(ctx context.Context) string {
	lease, err := d.lease(ctx)
	if err != nil || lease.Spec.RenewTime == nil {
		return ""
	}
	left := time.Until(lease.Spec.RenewTime.Add(duration(lease)))
	return fmt.Sprintf("; %s has the lease for another %.0f s", holder(lease), max(0, left.Seconds()))
}

// check reads all keys through the Service.
func (d *demo) check(ctx context.Context, ask asker, pairs []string) error {
	var keys, values []string
	for i := 0; i < len(pairs); i += 2 {
		keys, values = append(keys, pairs[i]), append(values, pairs[i+1])
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	got, err := ask(ctx, append([]string{"MGET"}, keys...)...)
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	if !slices.Equal(got, values) {
		return fmt.Errorf("keys were lost: read %s, want %s", strings.Join(got, " "), strings.Join(values, " "))
	}
	d.screen.say("   All %d keys are there.", len(keys))
	return nil
}

// recover lets the node go on and waits until there is a standby again.
func (d *demo) recover(ctx context.Context, old replica) error {
	if d.frozen == nil {
		d.screen.say("\n4. The Deployment makes another Pod.")
	} else {
		d.screen.say("\n4. %s is thawed. The gate there finds its time over, kills its redis and ends; its container is started again.", d.frozen.Name)
	}
	if err := d.thaw(); err != nil {
		return err
	}
	leader, standby, err := d.awaitPair(ctx)
	if err != nil {
		return err
	}
	if standby.pod.Name == old.pod.Name {
		for _, container := range standby.pod.Status.ContainerStatuses {
			if ended := container.LastTerminationState.Terminated; ended != nil {
				d.screen.say("   Its gate ended with status %d%s.", ended.ExitCode, meaning(ended.ExitCode))
			}
		}
	}
	d.show(leader, standby)
	return nil
}

// meaning is that of the gate's own exit status.
func meaning(status int32) string {
	if status == 75 {
		return ", lease lost"
	}
	return ""
}

// thaw lets the frozen node go on.
func (d *demo) thaw() error {
	if d.frozen == nil {
		return nil
	}
	node := d.frozen
	d.frozen = nil
	return node.Thaw()
}

// conclude refuses wrong answers, and says what to make of it all.
func (d *demo) conclude(s seen) error {
	if s.wrong != "" {
		return fmt.Errorf("the client read %s, which is not what the key holds", s.wrong)
	}
	d.screen.say("\n%d answers, all of them right; the longest time without one, from the fault on: %s.", s.answers, span(s.gap))
	if d.options.storageClass == "" {
		d.screen.say("The data is in one directory that all nodes share. A real cluster needs a ReadWriteMany\n" +
			"volume in its place (make demo-cluster STORAGE_CLASS=…), or redis that replicates its data.")
	}
	return nil
}

// span writes a time as people say it.
func span(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
