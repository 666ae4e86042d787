package gate

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/e2e/gate/stage"
)

// secret stands where secrets do; nobody may ever read it.
const secret = "hunter2"

// intercept puts a proxy that answers by itself between the stage's gates and
// the API server.
func intercept(t *testing.T, s *stage.Stage) (answers *faultproxy.Answers, kubeconfig string) {
	t.Helper()
	answers, err := faultproxy.Intercept(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(answers.Close)
	config := answers.Config()
	config.BearerToken = secret
	return answers, s.Kubeconfig("", config)
}

// badAnswers are what API servers, and what stands before them, say on bad days.
var badAnswers = []struct {
	name   string
	answer http.Handler
	// words are in one line of the log, and on /readyz.
	words []string
	// next is the pause that is logged, where the server asked for one.
	next string
}{
	{
		name:   "401",
		answer: faultproxy.Status(http.StatusUnauthorized, "Unauthorized", "Unauthorized"),
		words:  []string{"401 Unauthorized", "credentials", "kubeconfig"},
	},
	{
		name:   "429 with Retry-After",
		answer: faultproxy.Status(http.StatusTooManyRequests, "TooManyRequests", "slow down", "Retry-After", "1"),
		words:  []string{"429 TooManyRequests", "slow down"}, next: "next=1s",
	},
	{
		name:   "500",
		answer: faultproxy.Status(http.StatusInternalServerError, "InternalError", "etcdserver: leader changed"),
		words:  []string{"500 InternalError", "etcdserver: leader changed"},
	},
	{
		name: "503 of a load balancer",
		answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>sorry</html>", http.StatusServiceUnavailable)
		}),
		words: []string{"503 Service Unavailable"},
	},
	{
		name:   "a redirect",
		answer: http.RedirectHandler("https://login.example.org/", http.StatusFound),
		words:  []string{"302 Found"},
	},
	{
		name:   "a page in place of an object",
		answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>please log in</html>") }),
		words:  []string{"lease"},
	},
}

func TestCandidate_WaitsWhileTheAPIServerAnswersBadly(t *testing.T) {
	for _, row := range badAnswers {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.LongLeases()
			answers, kubeconfig := intercept(t, s)
			answers.Answer(func(*http.Request) http.Handler { return row.answer })
			a := s.Start(stage.Pod{Name: "a", Kubeconfig: kubeconfig})
			s.AwaitLine(a, append([]string{"level=WARN", row.next}, row.words...)...)
			body := ""
			s.Await("/readyz says why", func() bool {
				var code int
				code, body = a.Get("/readyz")
				return code == 503 && contains(body, row.words)
			})
			s.AwaitCode(a, "/livez", 200)
			if len(s.Runs()) > 0 {
				t.Error("the command was started")
			}

			answers.Answer(nil)
			s.AwaitLeader(a)
			s.AwaitCode(a, "/readyz", 200)
			if strings.Contains(a.Log()+body, secret) {
				t.Error("a secret was printed")
			}
		})
	}
}

func TestLeader_GoesOnWhileItsRenewalsAreAnsweredBadly(t *testing.T) {
	for _, row := range badAnswers {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.LongLeases()
			answers, kubeconfig := intercept(t, s)
			a := s.Start(stage.Pod{Name: "a", Kubeconfig: kubeconfig})
			s.AwaitLeader(a)
			answers.Answer(func(*http.Request) http.Handler { return row.answer })
			s.AwaitLine(a, append([]string{`msg="renewal failed"`, row.next}, row.words...)...)
			s.AwaitCode(a, "/leader", 200)
			before := s.Lease().Spec.RenewTime
			answers.Answer(nil)
			s.Await("the lease is renewed again", func() bool { return s.Lease().Spec.RenewTime.After(before.Time) })
			if runs := s.Runs(); len(runs) != 1 || runs[0].Ended {
				t.Errorf("runs %v, want the first to go on", runs)
			}
		})
	}
}

func TestLeader_TriesOnceMoreBeforeItsDeadlineWhateverPauseTheServerAsksFor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	answers, kubeconfig := intercept(t, s)
	a := s.Start(stage.Pod{Name: "a", Kubeconfig: kubeconfig, Env: map[string]string{
		"LEASE_DURATION": "6", "RENEW_DEADLINE": "4", "RETRY_PERIOD": "1",
	}})
	s.AwaitLeader(a)
	// One write is refused; who comes again too late finds its lease lost.
	var refused atomic.Bool
	answers.Answer(func(r *http.Request) http.Handler {
		if r.Method == http.MethodPut && refused.CompareAndSwap(false, true) {
			return faultproxy.Status(http.StatusTooManyRequests, "TooManyRequests", "slow down", "Retry-After", "3000")
		}
		return nil
	})
	s.AwaitLine(a, `msg="renewal failed"`, "429")
	before := s.Lease().Spec.RenewTime
	s.Await("the lease is renewed again", func() bool { return s.Lease().Spec.RenewTime.After(before.Time) })
	s.AwaitCode(a, "/leader", 200)
	if a.Line("lease lost") != "" {
		t.Error("the lease was lost")
	}
}

func TestCandidate_SaysThatTheCertificateIsNotTrusted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other, err := faultproxy.Intercept(s.Config) // for its certificate alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	config := rest.CopyConfig(s.Config)
	config.CAData = other.Config().CAData
	a := s.Start(stage.Pod{Name: "a", Kubeconfig: s.Kubeconfig("", config)})
	words := []string{"lease " + s.Namespace + "/" + stage.LockName, "certificate authority", "kubeconfig"}
	s.AwaitLine(a, append([]string{"level=WARN"}, words...)...)
	s.Await("/readyz says so", func() bool {
		code, body := a.Get("/readyz")
		return code == 503 && contains(body, words)
	})
	s.AwaitCode(a, "/livez", 200)
}

func TestCandidate_SaysThatItsTokenIsNotAccepted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	config := rest.CopyConfig(s.Config)
	config.CertData, config.KeyData, config.BearerToken = nil, nil, secret
	a := s.Start(stage.Pod{Name: "a", Kubeconfig: s.Kubeconfig("", config), Env: map[string]string{"LOG_LEVEL": "debug"}})
	s.AwaitLine(a, "level=WARN", "401 Unauthorized", "credentials")
	s.Await("/readyz says so", func() bool {
		code, body := a.Get("/readyz")
		return code == 503 && contains(body, []string{"401 Unauthorized", "credentials"})
	})
	if strings.Contains(a.Log(), secret) {
		t.Error("the token was printed")
	}
}

func TestCandidate_SaysThatTheNamespaceIsMissing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a := s.Start(stage.Pod{Name: "a", Kubeconfig: s.Kubeconfig("", server.Config()), Env: map[string]string{"LOCK_NAMESPACE": "nowhere"}})
	s.AwaitLine(a, "level=WARN", "lease nowhere/"+stage.LockName, "kubectl create namespace nowhere")
}

func contains(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
