package kube

import (
	"context"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8s-await-election/k8s-await-election/e2e/apiserver"
	"github.com/k8s-await-election/k8s-await-election/e2e/faultproxy"
	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

func TestWatch_DeliversAbsenceThenEachChangeInOrderWithRightsForTheNameAlone(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := user(t, ns, leaseRule("get watch create update", "db")).Lease(ns, "db")
	seen, ended := watch(t, lock)
	if first := next(t, seen, ended); first.Exists || first.Follows {
		t.Fatalf("an absent lease was delivered as %+v", first)
	}
	write(t, admin(t).Lease(ns, "other"), elector.Observation{}, record("x")) // nobody's business
	made := write(t, lock, elector.Observation{}, record("a"))
	to := record("a")
	to.LeaseTransitions = 1
	renewed := write(t, lock, made, to)
	deleteLease(t, ns, "db")
	for _, want := range []elector.Observation{made, renewed} {
		got := next(t, seen, ended)
		if !got.Exists || !got.Follows || got.Revision != want.Revision || got.Record != want.Record || got.Spec != want.Spec {
			t.Errorf("delivered %+v, want %+v", got, want)
		}
	}
	if gone := next(t, seen, ended); gone.Exists || !gone.Follows || gone.Revision <= renewed.Revision {
		t.Errorf("the deletion was delivered as %+v after revision %d", gone, renewed.Revision)
	}
}

func TestWatch_DeliversThePresentStateFirst(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := admin(t).Lease(ns, "db")
	made := write(t, lock, elector.Observation{}, record("a"))
	seen, ended := watch(t, lock)
	first := next(t, seen, ended)
	if first.Revision != made.Revision || first.Record != made.Record {
		t.Errorf("delivered %+v, want %+v", first, made)
	}
	// What was delivered is good to write from.
	write(t, lock, first, record("b"))
	if got := next(t, seen, ended); got.Record.HolderIdentity != "b" {
		t.Errorf("delivered %+v", got)
	}
}

func TestWatch_EndsWithItsContextAndSaysWhy(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	err := admin(t).Lease(ns, "db").Watch(ctx, func(elector.Observation) { cancel(http.ErrServerClosed) })
	mustBe(t, err, http.ErrServerClosed)
}

// The proxy asks the server to end each stream after a second, as API servers
// do after some minutes.
func TestWatch_ResumesWhereTheServerEndsTheStream(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	answers := intercept(t)
	answers.Answer(func(r *http.Request) http.Handler {
		if query := r.URL.Query(); query.Get("watch") != "" {
			query.Set("timeoutSeconds", "1")
			r.URL.RawQuery = query.Encode()
		}
		return nil
	})
	lock := client(t, answers.Config()).Lease(ns, "db")
	seen, ended := watch(t, lock)
	if next(t, seen, ended).Exists {
		t.Fatal("an absent lease exists")
	}
	from := elector.Observation{}
	for i := range 3 {
		streams := watches(answers)
		eventually(t, "the stream is resumed", func() bool { return len(watches(answers)) > len(streams) })
		to := record("a")
		to.LeaseTransitions = i
		from = write(t, lock, from, to)
		if got := next(t, seen, ended); got.Revision != from.Revision || !got.Follows {
			t.Fatalf("delivered revision %d, follows %v, want %d, true", got.Revision, got.Follows, from.Revision)
		}
	}
	for i, stream := range watches(answers) {
		if begins := strings.Contains(stream, "sendInitialEvents"); begins != (i == 0) {
			t.Errorf("stream %d: %s", i, stream)
		}
	}
}

// An API server that was restarted does not know what changed before.
func TestWatch_BeginsAnewAfterARestartOfTheServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	own, err := apiserver.Start(ctx, apiserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	})
	answers, err := faultproxy.Intercept(own.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(answers.Close)
	// The first stream ends in good order; the next begins when the server is
	// back.
	streams, restarted, resuming := 0, make(chan struct{}), make(chan struct{})
	answers.Answer(func(r *http.Request) http.Handler {
		query := r.URL.Query()
		if query.Get("watch") == "" {
			return nil
		}
		switch streams++; streams {
		case 1:
			query.Set("timeoutSeconds", "1")
			r.URL.RawQuery = query.Encode()
		case 2:
			close(resuming)
			<-restarted
		}
		return nil
	})
	lock := client(t, own.Config()).Lease("default", "db")
	made := write(t, lock, elector.Observation{}, record("a"))
	seen, ended := watch(t, client(t, answers.Config()).Lease("default", "db"))
	if got := next(t, seen, ended); got.Revision != made.Revision {
		t.Fatalf("delivered %+v", got)
	}
	<-resuming
	renewed := write(t, lock, made, record("b"))
	if err := own.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	close(restarted)
	// Something may have been in between: nobody knows.
	if got := next(t, seen, ended); got.Revision != renewed.Revision || got.Follows {
		t.Errorf("delivered revision %d, follows %v, want %d, false", got.Revision, got.Follows, renewed.Revision)
	}
	if got := watches(answers); len(got) != 3 || strings.Contains(got[1], "sendInitialEvents") || !strings.Contains(got[2], "sendInitialEvents") {
		t.Errorf("streams %q", got)
	}
}

// forget has the first stream end after a second, and none be resumed: who asks for
// that is told that its place is gone.
func forget(answers *faultproxy.Answers, gone http.Handler) {
	first := true
	answers.Answer(func(r *http.Request) http.Handler {
		query := r.URL.Query()
		switch {
		case query.Get("watch") == "":
		case query.Get("sendInitialEvents") == "":
			return gone
		case first:
			first = false
			query.Set("timeoutSeconds", "1")
			r.URL.RawQuery = query.Encode()
		}
		return nil
	})
}

// What is said of that differs: inside a 200 on API servers, as an answer
// elsewhere.
func TestWatch_BeginsAnewWhenTheServerHasForgottenItsPlace(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]http.Handler{
		"inside a 200": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version","reason":"Expired","code":410}}` + "\n"))
		}),
		"as an answer": faultproxy.Status(http.StatusGone, "Expired", "too old resource version"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			answers := intercept(t)
			forget(answers, gone)
			lock := client(t, answers.Config()).Lease(ns, "db")
			made := write(t, lock, elector.Observation{}, record("a"))
			seen, ended := watch(t, lock)
			if got := next(t, seen, ended); got.Revision != made.Revision {
				t.Fatalf("delivered %+v", got)
			}
			eventually(t, "it begins anew", func() bool {
				return len(watches(answers)) == 3 && strings.Contains(watches(answers)[2], "sendInitialEvents")
			})
			// The same state is not told twice: the next thing told is this.
			renewed := write(t, lock, made, record("b"))
			if got := next(t, seen, ended); got.Revision != renewed.Revision {
				t.Errorf("delivered revision %d, want %d", got.Revision, renewed.Revision)
			}
		})
	}
}

// Somebody may have made, held and deleted it meanwhile.
func TestWatch_TellsAnAbsenceAgainAfterAGap(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	answers := intercept(t)
	forget(answers, faultproxy.Status(http.StatusGone, "Expired", "too old resource version"))
	seen, ended := watch(t, client(t, answers.Config()).Lease(ns, "db"))
	before := next(t, seen, ended)
	write(t, admin(t).Lease(ns, "other"), elector.Observation{}, record("x")) // time goes on
	again := next(t, seen, ended)
	if before.Exists || again.Exists || again.Follows {
		t.Errorf("delivered %+v, then %+v", before, again)
	}
}

func TestWatch_ListsFirstWhereInitialEventsAreRefused(t *testing.T) {
	t.Parallel()
	for _, exists := range []bool{false, true} {
		ns := namespace(t)
		answers := intercept(t)
		answers.Answer(func(r *http.Request) http.Handler {
			if r.URL.Query().Get("sendInitialEvents") != "" {
				return faultproxy.Status(http.StatusUnprocessableEntity, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
			}
			return nil
		})
		lock := client(t, answers.Config()).Lease(ns, "db")
		from := elector.Observation{}
		if exists {
			from = write(t, lock, from, record("a"))
		}
		seen, ended := watch(t, lock)
		if first := next(t, seen, ended); first.Exists != exists || first.Record != from.Record {
			t.Errorf("delivered %+v, want %+v", first, from)
		}
		to := write(t, lock, from, record("b"))
		if got := next(t, seen, ended); got.Revision != to.Revision {
			t.Errorf("delivered revision %d, want %d", got.Revision, to.Revision)
		}
	}
}

func TestWatch_ReturnsWhenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	proxy, config := throughProxy(t, server.Config())
	seen, ended := watch(t, client(t, config).Lease(ns, "db"))
	next(t, seen, ended)
	proxy.Reset()
	mustSay(t, <-ended, "watch lease "+ns+"/db")
}

func TestWatch_DeliversALeaseThatWasEmptied(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lock := admin(t).Lease(ns, "db")
	write(t, lock, elector.Observation{}, record("a"))
	seen, ended := watch(t, lock)
	next(t, seen, ended)
	_, err := server.Client().CoordinationV1().Leases(ns).Patch(t.Context(), "db", types.MergePatchType, []byte(`{"spec":null}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := next(t, seen, ended); !got.Exists || (got.Record != elector.Record{}) {
		t.Errorf("delivered %+v", got)
	}
}

// watches are the watch requests that came through.
func watches(answers *faultproxy.Answers) []string {
	var streams []string
	for _, seen := range answers.Seen() {
		if strings.Contains(seen, "watch=true") {
			streams = append(streams, seen)
		}
	}
	return streams
}

func intercept(t *testing.T) *faultproxy.Answers {
	t.Helper()
	answers, err := faultproxy.Intercept(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(answers.Close)
	return answers
}
