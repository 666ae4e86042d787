package claims

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestFiles_TellsClaimsAndTheirOverlaps(t *testing.T) {
	t.Parallel()
	f, err := NewFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := map[string]string{}
	for _, name := range []string{"a", "b"} {
		path[name] = filepath.Join(t.TempDir(), "leader")
		if err := f.Watch(name, path[name]); err != nil {
			t.Fatal(err)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	show := func(name string) {
		do(os.WriteFile(path[name]+".new", nil, 0o600))
		do(os.Rename(path[name]+".new", path[name]))
	}
	runs := func() []record.Run {
		all, err := f.Runs()
		do(err)
		return all
	}
	show("a")
	show("a") // again
	do(os.Remove(path["a"]))
	show("b")
	await(t, "b's claim", func() bool { return len(runs()) == 2 })
	if got := record.Overlaps(runs()); got != nil {
		t.Errorf("overlaps %v", got)
	}
	show("a")
	await(t, "a's second claim", func() bool { return len(runs()) == 3 })
	do(os.Remove(path["b"]))
	await(t, "the end of b's", func() bool { return runs()[1].Ended })
	if got := record.Overlaps(runs()); len(got) != 1 || got[0].Earlier.Name != "b" || got[0].Later.Name != "a" {
		t.Errorf("overlaps %v, want b and a", got)
	}
}

func TestAnswers_TellsClaims(t *testing.T) {
	t.Parallel()
	var body atomic.Value
	body.Store(`{"is_leader":true,"fencing_token":"7"}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body.Load().(string)))
	}))
	defer server.Close()
	a := NewAnswers()
	defer a.Close()
	a.Ask("a", server.Listener.Addr().String())
	await(t, "the first claim", func() bool { return len(a.Runs()) == 1 })
	body.Store(`{"is_leader":false,"fencing_token":""}`)
	var last record.Run
	await(t, "its end", func() bool {
		before := last
		last = a.Runs()[0]
		now, err := record.Now()
		return err == nil && before == last && now-last.Last > 20*time.Millisecond
	})
	body.Store(`{"is_leader":true,"fencing_token":"8"}`)
	await(t, "the second claim", func() bool { return len(a.Runs()) == 2 })
	if runs := a.Runs(); runs[0].Token != "7" || runs[1].Token != "8" || record.Overlaps(runs) != nil {
		t.Errorf("got %v", runs)
	}
}
