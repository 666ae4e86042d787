package claims

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

const (
	// askPeriod is the pause between two questions to one replica.
	askPeriod = 2 * time.Millisecond
	// askPatience is how long an answer is waited for: a stopped process has none.
	askPatience = 500 * time.Millisecond
)

// Answers asks replicas over HTTP whether they lead. Its methods may be called
// from any goroutine.
type Answers struct {
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu   sync.Mutex
	runs []record.Run
	last map[string]int // index of the run of a replica whose last answer was a claim
}

// NewAnswers asks nobody yet. It must be closed.
func NewAnswers() *Answers {
	ctx, stop := context.WithCancel(context.Background())
	return &Answers{ctx: ctx, stop: stop, last: map[string]int{}}
}

// Ask asks a replica at an address, over and over.
func (a *Answers) Ask(replica, address string) {
	client := &http.Client{Timeout: askPatience, Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: askPatience}).DialContext,
	}}
	a.all.Go(func() {
		defer client.CloseIdleConnections()
		for a.ctx.Err() == nil {
			sent, err := record.Now()
			if err != nil {
				return
			}
			token := a.token(client, address)
			received, err := record.Now()
			if err != nil {
				return
			}
			a.note(replica, token, sent, received)
			select {
			case <-a.ctx.Done():
			case <-time.After(askPeriod):
			}
		}
	})
}

// token is the fencing token of a replica that says that it leads; empty: it does
// not say so.
func (a *Answers) token(client *http.Client, address string) string {
	request, err := http.NewRequestWithContext(a.ctx, http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		return ""
	}
	answer, err := client.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	var said struct {
		IsLeader bool   `json:"is_leader"`
		Token    string `json:"fencing_token"`
	}
	if json.NewDecoder(answer.Body).Decode(&said) != nil || !said.IsLeader {
		return ""
	}
	return said.Token
}

func (a *Answers) note(replica, token string, sent, received time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, claimed := a.last[replica]
	switch {
	case token == "":
		delete(a.last, replica)
	case claimed && a.runs[i].Token == token:
		a.runs[i].Last = max(sent, a.runs[i].Last)
	default:
		a.last[replica] = len(a.runs)
		a.runs = append(a.runs, record.Run{Name: replica, Token: token, Started: received, Last: received})
	}
}

// Runs are the claims so far, in their order.
func (a *Answers) Runs() []record.Run {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.runs)
}

// Close ends the asking.
func (a *Answers) Close() {
	a.stop()
	a.all.Wait()
}
