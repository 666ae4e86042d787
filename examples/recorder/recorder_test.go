package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// note writes a whole run of a name into the directory.
func note(t *testing.T, dir, name string) string {
	t.Helper()
	path, err := options{dir: dir, name: name}.path()
	if err != nil {
		t.Fatal(err)
	}
	w, err := record.Begin(path, name, "7")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPath_IsOneForEachNameAndBoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := note(t, dir, "a"), note(t, dir, "b")
	if a == b || filepath.Dir(a) != filepath.Dir(b) || filepath.Dir(a) == dir {
		t.Errorf("%s and %s", a, b)
	}
	info, err := os.Stat(filepath.Dir(a))
	if err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("the directory is %v, %v: another user may not write to it", info.Mode(), err)
	}
}

func TestPath_RefusesANameOutsideOfTheDirectory(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "../a", "a/b"} {
		if path, err := (options{dir: t.TempDir(), name: name}).path(); err == nil {
			t.Errorf("%q: %s", name, path)
		}
	}
}

func TestPath_TellsWhoMayNotWrite(t *testing.T) {
	t.Parallel()
	_, err := options{dir: filepath.Join(t.TempDir(), "absent"), name: "a"}.path()
	if err == nil || !strings.Contains(err.Error(), "must exist and be writable") {
		t.Errorf("error %v", err)
	}
}

func TestPrint_IsARecordOfAllPodsThatCheckPasses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	note(t, dir, "a")
	path := note(t, dir, "b")
	// Being written, or of another boot: left out.
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("beat\t1"); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "before"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "before", "c.runs"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var printed, listed strings.Builder
	if err := printAll(&printed, dir); err != nil {
		t.Fatal(err)
	}
	all := filepath.Join(t.TempDir(), "all")
	if err := os.WriteFile(all, []byte(printed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := check(&listed, all); err != nil || strings.Count(listed.String(), "ended true") != 2 {
		t.Errorf("%v\n%s", err, listed.String())
	}
}

func TestCheck_FailsForTwoAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs")
	text := "start\t10\t10\t1\ta\t1\nstart\t15\t15\t1\tb\t2\nend\t20\t10\t1\ta\t1\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := check(&strings.Builder{}, path); err == nil || !strings.Contains(err.Error(), "two at once") {
		t.Errorf("error %v", err)
	}
}

func TestOrders_ChangeReadinessAndEnd(t *testing.T) {
	t.Parallel()
	ended := make(chan int, 1)
	o := &orders{ended: ended}
	ask := func(handler http.HandlerFunc, target string) int {
		answer := httptest.NewRecorder()
		handler(answer, httptest.NewRequest(http.MethodPost, target, http.NoBody))
		return answer.Code
	}
	if code := ask(o.tellReady, "/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("ready from the start: %d", code)
	}
	ask(o.setReady, "/ready?is=true")
	if code := ask(o.tellReady, "/ready"); code != http.StatusOK {
		t.Errorf("not ready when told to be: %d", code)
	}
	for _, target := range []string{"/exit", "/exit?status=x", "/exit?status=256"} {
		if code := ask(o.exit, target); code != http.StatusBadRequest || len(ended) > 0 {
			t.Errorf("%s: %d", target, code)
		}
	}
	ask(o.exit, "/exit?status=3")
	if got := <-ended; got != 3 {
		t.Errorf("ends with %d", got)
	}
}

func TestReader_ServesTheRecordsOfOneFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	web := httptest.NewServer(reader{dir: dir}.handler())
	t.Cleanup(web.Close)
	answer := func(method, path string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		got, err := web.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = got.Body.Close() }()
		text, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, string(text)
	}
	if code, text := answer(http.MethodPost, "/records/one"); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	info, err := os.Stat(filepath.Join(dir, "one"))
	if err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("the folder is %v, %v: another user may not write to it", info, err)
	}
	note(t, filepath.Join(dir, "one"), "a")
	if code, text := answer(http.MethodGet, "/records/one"); code != http.StatusOK || strings.Count(text, "\ta\t") != 2 {
		t.Errorf("%d %q", code, text)
	}
	if code, text := answer(http.MethodGet, "/records/two"); code != http.StatusOK || text != "" {
		t.Errorf("of a folder without records: %d %q", code, text)
	}
	for _, name := range []string{"..", ".", "one%2F..%2F..", "%2F"} {
		if code, text := answer(http.MethodDelete, "/records/"+name); code == http.StatusOK {
			t.Errorf("%s: %d %q", name, code, text)
		}
	}
	if code, text := answer(http.MethodDelete, "/records/one"); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if _, err := os.Stat(filepath.Join(dir, "one")); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestReader_AsksAsThePodsOfItsNode(t *testing.T) {
	t.Parallel()
	code := http.StatusOK
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(other.Close)
	for _, row := range []struct{ theirs, ours int }{{http.StatusOK, http.StatusOK}, {http.StatusNotFound, http.StatusBadGateway}} {
		code = row.theirs
		answer := httptest.NewRecorder()
		reader{}.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/ask?url="+other.URL, http.NoBody))
		if answer.Code != row.ours || answer.Body.String() != "hello" {
			t.Errorf("of %d: %d %q", row.theirs, answer.Code, answer.Body)
		}
	}
	other.Close()
	answer := httptest.NewRecorder()
	reader{}.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/ask?url="+other.URL, http.NoBody))
	if answer.Code != http.StatusBadGateway {
		t.Errorf("of nobody: %d %q", answer.Code, answer.Body)
	}
}

func TestWork_LingersAfterItIsAskedToEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs")
	w, err := record.Begin(path, "a", "")
	if err != nil {
		t.Fatal(err)
	}
	asked, ask := context.WithCancel(t.Context())
	ask()
	if status, err := work(asked, options{beat: time.Millisecond, linger: 50 * time.Millisecond}, w, ""); status != 0 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	runs, err := record.Read(path)
	if err != nil || len(runs) != 1 || runs[0].Last == runs[0].Started {
		t.Errorf("no beat after it was asked: %v, %v", runs, err)
	}
}
