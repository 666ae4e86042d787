package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is how long Up waits for any one thing.
const patience = 2 * time.Minute

// ErrRunning is returned by Up where a cluster runs already.
var ErrRunning = errors.New("a cluster runs already")

// Options say what to bring up.
type Options struct {
	// Path are the directories with the programs that are built.
	Path []string
	// Progress is told each step, a line each; it must not be nil.
	Progress io.Writer
}

// Up brings up the cluster and returns when Pods can run on both nodes and
// Services answer. Where one runs already it returns it, and ErrRunning. What an
// earlier Up that was killed has left is taken down first. After an error
// nothing is left but the logs, which Down removes.
func Up(ctx context.Context, o Options) (*Cluster, error) {
	if err := requireRoot(); err != nil {
		return nil, err
	}
	unlock, err := lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if c, err := Attach(); err == nil {
		return c, ErrRunning
	}
	if err := down(ctx, Dir); err != nil {
		return nil, err
	}
	b := &bringUp{dir: Dir, progress: o.Progress, began: time.Now()}
	if err := b.prepare(ctx, o.Path); err != nil {
		return nil, err
	}
	if err := b.up(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; what was started is taken down again")
		} else {
			err = fmt.Errorf("%w\n%slogs are in %s; make cluster-down removes them", err, b.lastWords(), logsDir(b.dir))
		}
		// Whatever has ended ctx must not end the cleaning up.
		return nil, errors.Join(err, takeDown(context.WithoutCancel(ctx), b.dir, cleaning))
	}
	return Attach()
}

// bringUp is one run of Up.
type bringUp struct {
	dir      string
	progress io.Writer
	began    time.Time
	state    *state
	client   kubernetes.Interface
	// waitsFor is a component's log, of what Up waits for.
	waitsFor string
}

func (b *bringUp) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, "%5.1f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// prepare looks at everything and makes nothing.
func (b *bringUp) prepare(ctx context.Context, path []string) error {
	programs, err := findPrograms(path)
	if err != nil {
		return err
	}
	if err := refuseTakenNetwork(ctx); err != nil {
		return err
	}
	version, err := output(ctx, nil, programs["kube-apiserver"], "--version")
	if err != nil {
		return err
	}
	sysctls, err := readSysctls()
	if err != nil {
		return err
	}
	b.state = &state{
		BootID:     bootID(),
		Kubernetes: strings.TrimPrefix(version, "Kubernetes "),
		Programs:   programs,
		IPv6:       hasIPv6(),
		Machines:   map[string]process{},
		Sysctls:    sysctls,
	}
	return nil
}

func (b *bringUp) up(ctx context.Context) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := b.state.save(b.dir); err != nil {
		return err
	}
	b.say("starting Kubernetes %s on %s and %d nodes, %s", b.state.Kubernetes, control, nodeCount, b.families())
	if err := b.startMachines(ctx); err != nil {
		return err
	}
	for _, wait := range []func(context.Context) error{b.awaitAPI, b.loadImages, b.awaitNodes, b.startNames, b.awaitServices} {
		if err := b.patiently(ctx, wait); err != nil {
			return err
		}
	}
	b.state.Ready = true
	if err := b.state.save(b.dir); err != nil {
		return err
	}
	b.say("the cluster is ready")
	return nil
}

func (b *bringUp) families() string {
	if b.state.IPv6 {
		return "IPv4 and IPv6"
	}
	return "IPv4 (the host has no IPv6)"
}

func (b *bringUp) patiently(ctx context.Context, wait func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %v", patience))
	defer cancel()
	return wait(ctx)
}

func (b *bringUp) startMachines(ctx context.Context) error {
	a, err := newAuthority()
	if err != nil {
		return err
	}
	if err := a.kubeconfig(kubeconfig(b.dir), "admin", "system:masters"); err != nil {
		return err
	}
	c, err := newControl(b.dir, b.state, a)
	if err != nil {
		return err
	}
	machines := []*machine{c}
	for number := 1; number <= nodeCount; number++ {
		n, err := newNode(b.dir, b.state, a, number)
		if err != nil {
			return err
		}
		machines = append(machines, n)
	}
	var begins []func() error
	for _, m := range machines {
		begin, err := m.boot(b.dir, b.state)
		if err != nil {
			return err
		}
		begins = append(begins, begin)
	}
	if err := wire(ctx, b.state); err != nil {
		return err
	}
	for _, begin := range begins {
		if err := begin(); err != nil {
			return err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig(b.dir))
	if err != nil {
		return err
	}
	b.client, err = kubernetes.NewForConfig(config)
	return err
}

func (b *bringUp) awaitAPI(ctx context.Context) error {
	b.waitsFor = filepath.Join(control, "kube-apiserver.log")
	if err := Poll(ctx, 100*time.Millisecond, func() error { return answers(ctx, b.client) }); err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	b.say("the API server answers at %s", apiURL)
	return nil
}

// answers asks the API server whether it is ready.
func answers(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// loadImages gives the nodes what they need before any Pod can run.
func (b *bringUp) loadImages(ctx context.Context) error {
	b.waitsFor = filepath.Join(nodeName(1), "containerd.log")
	if err := Poll(ctx, 200*time.Millisecond, func() error { return b.state.loadProgram(ctx, pauseImage, "pause") }); err != nil {
		return err
	}
	return b.state.loadProgram(ctx, dnsImage, "coredns")
}

func (b *bringUp) awaitNodes(ctx context.Context) error {
	for number := 1; number <= nodeCount; number++ {
		name := nodeName(number)
		b.waitsFor = filepath.Join(name, "kubelet.log")
		err := Poll(ctx, 200*time.Millisecond, func() error {
			node, err := b.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			return ready(node)
		})
		if err != nil {
			return fmt.Errorf("wait for %s: %w", name, err)
		}
		b.say("%s is Ready", name)
	}
	return nil
}

func ready(node *corev1.Node) error {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return errors.New(condition.Message)
		}
	}
	return errors.New("it has not said anything yet")
}

// awaitServices reaches a Service from the host: the API server's own, which has
// an address in IPv4 alone.
func (b *bringUp) awaitServices(ctx context.Context) error {
	b.waitsFor = filepath.Join(control, "kube-proxy.log")
	address := net.JoinHostPort(kubernetes4.String(), "443")
	err := Poll(ctx, 200*time.Millisecond, func() error {
		dialer := net.Dialer{Timeout: time.Second}
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	})
	if err != nil {
		return fmt.Errorf("wait for Services: %w", err)
	}
	// Without it the first Pods would be refused.
	err = Poll(ctx, 100*time.Millisecond, func() error {
		_, err := b.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for the service account of the default namespace: %w", err)
	}
	return nil
}

// lastWords are the end of the log of what Up waited for.
func (b *bringUp) lastWords() string {
	text, err := os.ReadFile(filepath.Join(logsDir(b.dir), b.waitsFor))
	if err != nil || b.waitsFor == "" {
		return ""
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines = lines[max(0, len(lines)-15):]
	return "the end of " + b.waitsFor + ":\n" + strings.Join(lines, "")
}

// lock keeps two from changing the cluster at once. The name goes with the
// process, however it ends.
func lock() (unlock func(), err error) {
	listener, err := net.Listen("unix", "@k8s-await-election/cluster")
	if err != nil {
		return nil, fmt.Errorf("another make cluster or make cluster-down is at work: wait for it: %w", err)
	}
	return func() { _ = listener.Close() }, nil
}
