package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The requests that are answered:
//
//	GET  /                     name, process id, fencing token
//	GET  /ready                200 or 503: the application's own readiness
//	POST /ready?is=false       answer 503 there from now on (true: 200)
//	POST /exit?status=3        end, with this status
//	POST /cpu                  use all CPU time there is, from now on
//	POST /memory               use ever more memory, until killed for it
//	POST /processes?count=50   start idle processes; answers how many there were
type orders struct {
	name, token string
	ready       atomic.Bool
	ended       chan<- int
}

// serve opens the port and answers in the background until stop is called.
// Where the order to end comes, the status is sent to ended, which must have
// room for one.
func serve(o options, token string, ended chan<- int) (stop func(), err error) {
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, err
	}
	orders := &orders{name: o.name, token: token, ended: ended}
	if o.readyAfter <= 0 {
		orders.ready.Store(true)
	} else {
		time.AfterFunc(o.readyAfter, func() { orders.ready.Store(true) })
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", orders.tellName)
	mux.HandleFunc("GET /ready", orders.tellReady)
	mux.HandleFunc("POST /ready", orders.setReady)
	mux.HandleFunc("POST /exit", orders.exit)
	mux.HandleFunc("POST /cpu", useCPU)
	mux.HandleFunc("POST /memory", useMemory)
	mux.HandleFunc("POST /processes", startProcesses)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = web.Serve(listener) }() // ends by Shutdown
	return func() {
		patience, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = web.Shutdown(patience) // who is still asking is left
	}, nil
}

func (o *orders) tellName(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintf(w, "%s, pid %d, fencing token %s\n", o.name, os.Getpid(), o.token)
}

func (o *orders) tellReady(w http.ResponseWriter, _ *http.Request) {
	if !o.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
	}
}

func (o *orders) setReady(w http.ResponseWriter, r *http.Request) {
	is, err := strconv.ParseBool(r.FormValue("is"))
	if err != nil {
		http.Error(w, "give ?is=true or ?is=false", http.StatusBadRequest)
		return
	}
	o.ready.Store(is)
}

func (o *orders) exit(w http.ResponseWriter, r *http.Request) {
	status, err := strconv.Atoi(r.FormValue("status"))
	if err != nil || status < 0 || status > 255 {
		http.Error(w, "give ?status= and a number from 0 to 255", http.StatusBadRequest)
		return
	}
	select {
	case o.ended <- status:
	default: // it is ending already
	}
}

func useCPU(http.ResponseWriter, *http.Request) {
	for range runtime.NumCPU() {
		go func() {
			for n := uint64(0); ; n++ {
			}
		}()
	}
}

func useMemory(http.ResponseWriter, *http.Request) {
	go func() {
		const step = 1 << 20
		var all [][]byte
		for {
			page := make([]byte, step)
			for i := 0; i < step; i += os.Getpagesize() {
				page[i] = 1 // memory that is not touched is not used
			}
			all = append(all, page)
			runtime.KeepAlive(all)
		}
	}()
}

// startProcesses stops at the first that cannot be started.
func startProcesses(w http.ResponseWriter, r *http.Request) {
	count, err := strconv.Atoi(r.FormValue("count"))
	if err != nil || count < 1 {
		http.Error(w, "give ?count= and a number above 0", http.StatusBadRequest)
		return
	}
	keepThreads(32)
	started := 0
	for ; started < count; started++ {
		child := exec.Command("/proc/self/exe", "-wait")
		child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err = child.Start(); err != nil {
			break
		}
		_ = child.Process.Release() // to wait for it would take a thread; it ends with this process
	}
	_, _ = fmt.Fprintf(w, "%d of %d, error: %v\n", started, count, err)
}

// keepThreads makes threads, which the runtime keeps: at the limit it cannot make
// one, and would crash, when it needs it.
func keepThreads(count int) {
	var all, made sync.WaitGroup
	made.Add(count)
	for range count {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			made.Done()
			made.Wait()
		})
	}
	all.Wait()
}
