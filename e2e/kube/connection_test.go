package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

func TestWrite_GoesOverANewConnectionWhileTheFirstHangs(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	proxy, config := throughProxy(t, server.Config())
	lock := client(t, config).Lease(ns, "db")
	made := write(t, lock, elector.Observation{}, record("a"))
	if proxy.Accepted() != 1 {
		t.Fatalf("%d connections for one write", proxy.Accepted())
	}
	proxy.BlackHoleOpen()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hanging := make(chan error, 1)
	go func() {
		_, err := lock.Write(ctx, made, record("b"))
		hanging <- err
	}()
	eventually(t, "the first write is under way", func() bool { return proxy.Holding() > 0 })
	second := write(t, lock, made, record("c"))
	select {
	case err := <-hanging:
		t.Fatalf("the first write came through: %v", err)
	default:
	}
	cancel()
	mustBe(t, <-hanging, context.Canceled)

	// The one that answered is used on.
	before := proxy.Accepted()
	third := write(t, lock, second, record("d"))
	if proxy.Accepted() != before {
		t.Error("a further write made a further connection")
	}
	// What was held back arrives late and changes nothing.
	proxy.Pass()
	eventually(t, "the abandoned connection is closed", func() bool { return proxy.Open() == 1 })
	if now := read(t, lock); now.Revision != third.Revision {
		t.Errorf("revision %d, want %d", now.Revision, third.Revision)
	}
}

func TestWrite_IsNotHeldUpByAWatchWhoseConnectionIsDead(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	proxy, config := throughProxy(t, server.Config())
	lock := client(t, config).Lease(ns, "db")
	seen, ended := watch(t, lock)
	next(t, seen, ended)
	proxy.BlackHoleOpen()
	write(t, lock, elector.Observation{}, record("a"))
}

func TestWrite_OverAConnectionThatTheServerResetIsAnErrorOnceAndThenWorks(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	proxy, config := throughProxy(t, server.Config())
	lock := client(t, config).Lease(ns, "db")
	made := write(t, lock, elector.Observation{}, record("a"))
	proxy.Refuse()
	proxy.Reset()
	_, err := lock.Write(t.Context(), made, record("b"))
	mustSay(t, err, "update lease "+ns+"/db")
	if errors.Is(err, elector.ErrConflict) || errors.Is(err, elector.ErrForbidden) {
		t.Errorf("%v is a conflict or a refusal", err)
	}
	proxy.Pass()
	write(t, lock, made, record("b"))
}

func TestClient_SaysThatTheServerIsAbsentAndReachesItOnceItIsThere(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	proxy, config := throughProxy(t, server.Config())
	proxy.Refuse()
	lock := client(t, config).Lease(ns, "db")
	_, err := lock.Read(t.Context())
	mustSay(t, err, "get lease "+ns+"/db")
	proxy.Pass()
	read(t, lock)

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := server.Config()
	nobody.Host = "https://" + free.Addr().String()
	_ = free.Close()
	_, err = client(t, nobody).Lease(ns, "db").Read(t.Context())
	mustSay(t, err, "get lease "+ns+"/db", "connection refused")
}

func TestClient_SaysWhatToDoAboutACertificateThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	other := intercept(t) // a server with another authority
	config := server.Config()
	config.Host = other.Config().Host
	_, err := client(t, config).Lease("default", "db").Read(t.Context())
	mustSay(t, err, "certificate-authority", "ca.crt")
}

func TestClient_SaysThatItsCredentialsAreNotAccepted(t *testing.T) {
	t.Parallel()
	config := server.Config()
	config.CertData, config.KeyData = nil, nil
	config.BearerToken = "very-secret"
	_, err := client(t, config).Lease("default", "db").Read(t.Context())
	mustSay(t, err, "401 Unauthorized", "credentials")
	if strings.Contains(err.Error(), "very-secret") || errors.Is(err, elector.ErrForbidden) {
		t.Errorf("got %v", err)
	}
}

// A token of the API server's own that ends with the Secret it is bound to.
func TestClient_UsesTheTokenThatIsInTheFileNow(t *testing.T) {
	t.Parallel()
	ctx, ns := t.Context(), namespace(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "gate"}}
	if _, err := server.Client().CoreV1().ServiceAccounts(ns).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := server.Grant(ctx, ns, "system:serviceaccount:"+ns+":gate", leaseRule("get", "db")); err != nil {
		t.Fatal(err)
	}
	token := func(secret string) string {
		bound, err := server.Client().CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secret}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		request, err := server.Client().CoreV1().ServiceAccounts(ns).CreateToken(ctx, "gate", &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{
				BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: secret, UID: bound.UID},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return request.Status.Token
	}
	file := filepath.Join(t.TempDir(), "token")
	put := func(token string) {
		if err := os.WriteFile(file+"~", []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	put(token("one"))
	config := server.Config()
	config.CertData, config.KeyData = nil, nil
	config.BearerTokenFile = file
	lock := client(t, config).Lease(ns, "db")
	read(t, lock)

	if err := server.Client().CoreV1().Secrets(ns).Delete(ctx, "one", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// The API server remembers for some seconds that the token was good.
	var err error
	eventually(t, "the old token ends", func() bool { _, err = lock.Read(ctx); return err != nil })
	mustSay(t, err, "401")
	put(token("two"))
	read(t, lock)

	// While the volume is exchanged the file may be absent for an instant.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	read(t, lock)
}

func TestClient_WithoutATokenInItsFileSaysWhichFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := server.Config()
	config.CertData, config.KeyData = nil, nil
	config.BearerTokenFile = file
	_, err := client(t, config).Lease("default", "db").Read(t.Context())
	mustSay(t, err, file)
}

func TestErrors_OfAThrottlingServerCarryTheTimeToWait(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		answers := intercept(t)
		answers.Answer(func(*http.Request) http.Handler {
			return faultproxy.Status(code, http.StatusText(code), "slow down", "Retry-After", "7")
		})
		_, err := client(t, answers.Config()).Lease("default", "db").Write(t.Context(), elector.Observation{}, record("a"))
		var wait interface{ RetryAfter() time.Duration }
		if !errors.As(err, &wait) || wait.RetryAfter() != 7*time.Second {
			t.Errorf("%d: %v does not say to wait 7 s", code, err)
		}
		mustSay(t, err, "slow down")
		if len(answers.Seen()) != 1 {
			t.Errorf("%d: sent %q, want one request", code, answers.Seen())
		}
	}
}

func TestErrors_OfAFailingServerAreNeitherConflictNorRefusalAndNotRetried(t *testing.T) {
	t.Parallel()
	answers := intercept(t)
	answers.Answer(func(*http.Request) http.Handler {
		return faultproxy.Status(http.StatusInternalServerError, "InternalError", "etcdserver: request timed out")
	})
	_, err := client(t, answers.Config()).Lease("default", "db").Write(t.Context(), elector.Observation{}, record("a"))
	mustSay(t, err, "500 InternalError", "etcdserver: request timed out")
	var wait interface{ RetryAfter() time.Duration }
	if errors.Is(err, elector.ErrConflict) || errors.Is(err, elector.ErrForbidden) || errors.As(err, &wait) {
		t.Errorf("got %v", err)
	}
	if len(answers.Seen()) != 1 {
		t.Errorf("sent %q, want one request", answers.Seen())
	}
}

// A proxy's own 404 does not mean that nobody holds the lease.
func TestErrors_APageThatIsNoStatusIsNotAnAbsentLease(t *testing.T) {
	t.Parallel()
	answers := intercept(t)
	answers.Answer(func(*http.Request) http.Handler { return http.NotFoundHandler() })
	lock := client(t, answers.Config()).Lease("default", "db")
	if seen, err := lock.Read(t.Context()); err == nil {
		t.Errorf("read %+v", seen)
	}
	_, err := lock.Write(t.Context(), elector.Observation{Exists: false}, record("a"))
	if err == nil || errors.Is(err, elector.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func TestClient_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	answers := intercept(t)
	answers.Answer(func(*http.Request) http.Handler {
		return http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect)
	})
	_, err := client(t, answers.Config()).Lease("default", "db").Write(t.Context(), elector.Observation{}, record("a"))
	mustSay(t, err, "307")
	if len(answers.Seen()) != 1 {
		t.Errorf("sent %q, want one request", answers.Seen())
	}
}

func TestClient_NamesItselfAndItsPurpose(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := user(t, ns, leaseRule("get watch", "db")).Lease(ns, "db")
	read(t, lock)
	seen, ended := watch(t, lock)
	next(t, seen, ended)
	requests, err := server.Requests(ns + "-user")
	if err != nil {
		t.Fatal(err)
	}
	agents := map[string]string{}
	for _, r := range requests {
		agents[r.Verb] = r.UserAgent
	}
	if agents["get"] != "test/1/lock" || agents["watch"] != "test/1/watch" {
		t.Errorf("user agents by verb: %v", agents)
	}
}

// throughProxy puts a TCP proxy before the API server.
func throughProxy(t *testing.T, config *rest.Config) (*faultproxy.Proxy, *rest.Config) {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := faultproxy.Listen(t.Context(), target.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	config.Host = "https://" + proxy.Addr()
	return proxy, config
}
