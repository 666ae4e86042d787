package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/gate"
)

// PublishMode says which objects lead the traffic (SERVICE_PUBLISH).
type PublishMode string

const (
	// PublishSlices writes one EndpointSlice for each address family.
	PublishSlices PublishMode = "endpointslice"
	// PublishEndpoints writes the Endpoints object of the Service's name, which
	// the control plane mirrors into slices.
	PublishEndpoints PublishMode = "endpoints"
	// PublishBoth writes both, with the mirroring turned off.
	PublishBoth PublishMode = "both"
	// PublishAuto writes Endpoints where they are there already and mirrored:
	// otherwise an address left in them by an older tool would go on getting its
	// share of the traffic. Else it writes slices. Where the one is not
	// permitted it writes the other, with a warning.
	PublishAuto PublishMode = "auto"
)

// Pod is the Pod of this process. Everything may be empty.
type Pod struct {
	Namespace, Name, UID string
}

func (p Pod) reference() *targetReference {
	if p.Name == "" {
		return nil
	}
	return &targetReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID}
}

// PublisherOptions say which traffic leads where.
type PublisherOptions struct {
	// Namespace and Service name the Service, which must have no selector. Without
	// a Service there is the Label alone.
	Namespace, Service string
	// Ports are reached by clients; none is permitted, for headless Services.
	Ports []Port
	// Addresses of the Pod, at most one of each family. At least one for a Service.
	Addresses []netip.Addr
	// NodeName and Pod are noted beside the address where known.
	NodeName string
	Pod      Pod
	// Mode is PublishAuto where it is empty.
	Mode PublishMode
	// Label is set on the Pod, which then needs a name and a namespace. Lock names
	// the election that it is for. PodGuessed: that there is no Pod of the name is
	// no mistake, and there is no label then.
	Label      PodLabel
	Lock       string
	PodGuessed bool
	Logger     *slog.Logger
}

// Publisher leads the clients of a Service to this Pod. It implements
// gate.Publisher. Publish and Empty may be called again, one after the other or,
// Empty, also while Publish returns.
type Publisher struct {
	client  *Client
	options PublisherOptions
	log     *slog.Logger
	owner   *serviceOwner
	label   *labelled     // nil: none
	left    chan struct{} // cap 1: the label is to be looked after
	rivals  sync.Once
	// mirrors: there are Endpoints that the control plane mirrors.
	mirrors recent[bool]
	blind   sync.Once

	mu      sync.Mutex
	current []destination // what the last Publish wrote for the Service
}

var _ gate.Publisher = (*Publisher)(nil)

// destination is one object that leads traffic.
type destination interface {
	// String names the object, as in «endpointslice prod/db-ipv4».
	String() string
	// kind is what the object is, its namespace and its name.
	kind() (resource, string, string)
	// publish makes this Pod the destination, whoever is it now.
	publish(context.Context) error
	// holds tells whether the object says what publish writes.
	holds(object []byte) bool
	// empty removes this Pod, if it is the destination.
	empty(context.Context) error
}

// NewPublisher sends nothing yet.
func NewPublisher(c *Client, options PublisherOptions) (*Publisher, error) {
	switch options.Mode {
	case "":
		options.Mode = PublishAuto
	case PublishSlices, PublishEndpoints, PublishBoth, PublishAuto:
	default:
		return nil, errors.New("publish the service: the mode must be endpointslice, endpoints, both or auto")
	}
	if options.Service == "" && options.Label == (PodLabel{}) {
		return nil, errors.New("publish: neither a service nor a label of the Pod is given")
	}
	if options.Service != "" && len(options.Addresses) == 0 {
		return nil, errors.New("publish the service: the Pod's IP address is not known: set POD_IP from the field status.podIP or status.podIPs")
	}
	if options.Pod.Namespace == "" {
		options.Pod.Namespace = options.Namespace
	}
	p := &Publisher{
		client: c, options: options,
		log:  options.Logger,
		left: make(chan struct{}, 1),
	}
	if options.Service != "" {
		p.log = p.log.With("service", options.Namespace+"/"+options.Service)
	}
	if options.Label != (PodLabel{}) {
		if options.Pod.Name == "" || options.Pod.Namespace == "" {
			return nil, errors.New("label the Pod: its name and namespace are not known: set POD_NAME and POD_NAMESPACE from the fields metadata.name and metadata.namespace")
		}
		p.label = newLabelled(c, options, p.log)
	}
	p.owner = &serviceOwner{client: c, namespace: options.Namespace, name: options.Service, log: p.log}
	return p, nil
}

// Run keeps the Pod's label at standing by as long as Publish was not called, and
// again after Empty: where a former container has left it at leading, where Empty
// did not come through, and where somebody else changes it. It returns when ctx
// ends.
func (p *Publisher) Run(ctx context.Context) {
	if p.label == nil {
		return
	}
	for {
		standing, stop := p.label.standing(ctx)
		p.keep(standing, standby{p.label}, false)
		stop()
		select {
		case <-p.left:
		case <-ctx.Done():
			return
		}
	}
}

// stepDown has Run look after the label.
func (p *Publisher) stepDown() {
	select {
	case p.left <- struct{}{}:
	default:
	}
}

// Prepare implements gate.Publisher. It also makes the connection.
func (p *Publisher) Prepare(ctx context.Context) {
	if p.options.Service == "" {
		return
	}
	var all sync.WaitGroup
	all.Go(func() { _, _ = p.owner.find(ctx) })
	if p.options.Mode == PublishAuto {
		all.Go(func() { p.mirrored(ctx) })
	}
	all.Wait()
}

// Publish implements gate.Publisher.
func (p *Publisher) Publish(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	if p.label != nil {
		p.label.lead()
		all.Go(func() { p.keep(ctx, p.label, false) })
	}
	if p.options.Service == "" {
		return
	}
	all.Go(func() { p.Prepare(ctx) }) // beside what does not need it; what does, waits for its answers
	var chosen []destination
	written := 0 // of the first ones
	switch p.options.Mode {
	case PublishSlices:
		chosen = p.slices()
	case PublishEndpoints:
		chosen = p.endpoints(false)
	case PublishBoth:
		chosen = append(p.slices(), p.endpoints(true)...)
	case PublishAuto:
		chosen, written = p.choose(ctx)
	}
	p.mu.Lock()
	p.current = chosen
	p.mu.Unlock()
	for i, d := range chosen {
		all.Go(func() { p.keep(ctx, d, i < written) })
	}
}

// Empty implements gate.Publisher. What Publish never wrote it does not touch.
func (p *Publisher) Empty(ctx context.Context, followed bool) error {
	if ctx.Err() != nil { // it may be another term by now
		return context.Cause(ctx)
	}
	var current []destination
	if !followed {
		p.mu.Lock()
		current = slices.Clone(p.current)
		p.mu.Unlock()
	}
	if p.label != nil {
		if p.label.shows.Load() {
			current = append(current, p.label)
		}
		p.label.leave()
		defer p.stepDown() // also where that fails
	}
	errs := make([]error, len(current))
	var all sync.WaitGroup
	for i, d := range current {
		all.Go(func() {
			if err := d.empty(ctx); err != nil && !p.guessed(err) {
				errs[i] = fmt.Errorf("take the traffic off this Pod: %w", err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (p *Publisher) slices() []destination {
	var all []destination
	for _, address := range p.options.Addresses {
		all = append(all, newSlice(p.client, p.options, address, p.owner.find))
	}
	return all
}

func (p *Publisher) endpoints(skipMirror bool) []destination {
	return []destination{&legacy{client: p.client, options: p.options, skipMirror: skipMirror, owner: p.owner.find}}
}

// choose is PublishAuto. The first one or more destinations may already be
// written when it returns.
func (p *Publisher) choose(ctx context.Context) (chosen []destination, written int) {
	first, second := p.slices(), p.endpoints(false)
	if p.mirrored(ctx) {
		first, second = second, first
	}
	err := first[0].publish(ctx)
	switch {
	case err == nil:
		return first, 1
	case isForbidden(err) && ctx.Err() == nil:
		p.log.Warn("publishing by other means, for lack of rights", "instead_of", first[0].String(), "using", second[0].String(), "err", err)
		return second, 0
	default:
		return first, 0 // tried again there
	}
}

// mirrored tells whether there are Endpoints that the control plane mirrors. It
// asks until there is an answer: with a guess, two sources might lead traffic.
func (p *Publisher) mirrored(ctx context.Context) bool {
	answer, _ := p.mirrors.get(func(bool) (bool, error) {
		l := &legacy{client: p.client, options: p.options}
		var there object
		answered := p.retry(ctx, "looking for Endpoints of the service", func(ctx context.Context) error {
			var err error
			there, err = l.get(ctx)
			if isForbidden(err) {
				p.log.Debug("not permitted to look for Endpoints of the service", "err", err)
				return nil
			}
			if isAbsent(err) {
				return nil
			}
			return err
		})
		if !answered {
			return false, context.Cause(ctx)
		}
		return there != nil && mirrored(there), nil
	})
	return answer
}

// keep publishes one destination and puts it right until ctx ends.
func (p *Publisher) keep(ctx context.Context, d destination, written bool) {
	if ctx.Err() != nil || !written && !p.retry(ctx, "publishing", d.publish) || ctx.Err() != nil {
		return
	}
	var all sync.WaitGroup
	defer all.Wait()
	if res, _, _ := d.kind(); res == pods {
		p.log.Info("the Pod is labelled", "destination", d.String())
	} else {
		p.log.Info("traffic leads here", "destination", d.String(), "addresses", p.options.Addresses)
		all.Go(func() { p.rivals.Do(func() { p.warnOfRivals(ctx) }) })
	}
	var differs atomic.Bool
	changed, unseen := make(chan struct{}, 1), make(chan struct{}, 1)
	all.Go(func() { p.watch(ctx, d, &differs, changed, unseen) })

	quiet := pace{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-unseen:
			if !p.retry(ctx, "publishing again", d.publish) {
				return
			}
			continue
		case <-changed:
		}
		// A writer that fights back is not answered in a hot loop.
		pause, fought := quiet.next(time.Now())
		if fought {
			p.log.Warn("somebody else keeps changing the destination of the traffic", "destination", d.String())
		}
		if !sleep(ctx, pause) {
			return
		}
		if !differs.Load() {
			continue
		}
		if !p.retry(ctx, "publishing again", d.publish) {
			return
		}
		p.log.Info("destination of the traffic put right after somebody else's change", "destination", d.String())
	}
}

// watch tells of states that are not what was published. Where a Pod may not be
// watched its state is unseen, now and then: a patch that changes nothing costs
// the API server next to nothing, and needs no further right.
func (p *Publisher) watch(ctx context.Context, d destination, differs *atomic.Bool, changed, unseen chan<- struct{}) {
	res, namespace, name := d.kind()
	pause := backoff{}
	for {
		err := p.client.watch(ctx, res, namespace, name, func(s state) error {
			pause = backoff{}
			text, err := json.Marshal(s.object)
			differs.Store(!s.exists || err != nil || !d.holds(text))
			if differs.Load() {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		switch {
		case isForbidden(err) && res == pods:
			p.blind.Do(func() {
				p.log.Warn("changes that others make to the Pod's label are put right late", "within", refusedPause, "err", err)
			})
			if !sleep(ctx, refusedPause) {
				return
			}
			select {
			case unseen <- struct{}{}:
			default:
			}
			continue
		case isForbidden(err):
			p.log.Warn("changes that others make will not be put right", "destination", d.String(), "err", err)
			return
		}
		delay := pause.next(err)
		p.log.Debug("watch of the destination ended", "destination", d.String(), "err", err, "next_try_in", delay)
		if !sleep(ctx, delay) {
			return
		}
	}
}

// guessed: it is about a Pod of which nobody has said that there is one.
func (p *Publisher) guessed(err error) bool {
	return p.options.PodGuessed && errors.As(err, new(noPodError))
}

// retry does it until it succeeds, or ctx ends: false then. What only somebody's
// hand can mend is told once.
func (p *Publisher) retry(ctx context.Context, what string, do func(context.Context) error) bool {
	pause, told := backoff{}, ""
	for {
		err := do(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		delay := pause.next(err)
		level := slog.LevelWarn
		if delay >= refusedPause && err.Error() == told || p.guessed(err) {
			level = slog.LevelDebug
		}
		told = err.Error()
		p.log.Log(ctx, level, what+" did not succeed", "err", err, "next_try_in", delay)
		if !sleep(ctx, delay) {
			return false
		}
	}
}

// warnOfRivals looks, where that is permitted, for EndpointSlices of others that
// belong to the Service: each gets its share of the traffic.
func (p *Publisher) warnOfRivals(ctx context.Context) {
	p.mu.Lock()
	own := map[string]bool{}
	mirrors := false
	for _, d := range p.current {
		res, _, name := d.kind()
		own[name] = own[name] || res == endpointSlices
		mirrors = mirrors || res == endpoints
	}
	p.mu.Unlock()
	text, err := p.client.do(ctx, request{
		client: p.client.others, method: http.MethodGet, verb: "list",
		resource: endpointSlices, namespace: p.options.Namespace, name: p.options.Service,
		query: map[string][]string{"labelSelector": {serviceLabel + "=" + p.options.Service}},
	})
	if err != nil {
		p.log.Debug("not looking for other EndpointSlices of the service", "err", err)
		return
	}
	var list struct {
		Items []sliceBody `json:"items"`
	}
	if json.Unmarshal(text, &list) != nil {
		return
	}
	for _, other := range list.Items {
		manager := other.Metadata.Labels[managedByLabel]
		if own[other.Metadata.Name] || len(other.Endpoints) == 0 || mirrors && manager == mirrorManager {
			continue
		}
		p.log.Warn("another EndpointSlice takes part of the service's traffic: delete it once nothing needs it, and see that the Service has no selector",
			"endpointslice", other.Metadata.Namespace+"/"+other.Metadata.Name, "managed_by", manager)
	}
}
