package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// reader is what -wait serves with -listen: a Pod on each node through which a
// test, wherever it runs, reaches the node's records and sees what the node's
// Pods see. FOLDER is one below -dir, so that tests do not meet.
//
//	POST   /records/FOLDER   make it, writable for everybody
//	GET    /records/FOLDER   what has been noted there since the machine's start
//	DELETE /records/FOLDER   remove it
//	GET    /ask?url=URL      what is answered there; 502 if nothing or no 2xx is
type reader struct {
	dir string
}

func (r reader) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /records/{folder}", r.onFolder(func(_ io.Writer, folder string) error {
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return err
		}
		return open(folder)
	}))
	mux.HandleFunc("GET /records/{folder}", r.onFolder(printAll))
	mux.HandleFunc("DELETE /records/{folder}", r.onFolder(func(_ io.Writer, folder string) error {
		return os.RemoveAll(folder)
	}))
	mux.HandleFunc("GET /ask", ask)
	return mux
}

func (r reader) onFolder(do func(io.Writer, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		name := request.PathValue("folder")
		if r.dir == "" || !filepath.IsLocal(name) || filepath.Base(name) != name || name == "." {
			http.Error(w, "no such folder", http.StatusNotFound)
			return
		}
		if err := do(w, filepath.Join(r.dir, name)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// asker opens a connection for each question, so that each is led by the rules
// for the Service as they are then.
var asker = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func ask(w http.ResponseWriter, request *http.Request) {
	question, err := http.NewRequestWithContext(request.Context(), http.MethodGet, request.FormValue("url"), http.NoBody)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := asker.Do(question)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode/100 != 2 {
		w.WriteHeader(http.StatusBadGateway)
	}
	_, _ = io.Copy(w, answer.Body) // whoever asks sees that it is cut off
}

// wait makes the directory writable, and serves what reader says, until ctx ends.
func wait(ctx context.Context, o options) error {
	if err := open(o.dir); err != nil {
		return err
	}
	if o.listen == "" {
		<-ctx.Done()
		return nil
	}
	web := &http.Server{Addr: o.listen, Handler: reader{dir: o.dir}.handler(), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = web.Close() })()
	if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
