package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// asking makes a connection for each question, so that none is left open in the
// gate that is looked at.
var asking = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// used is what a gate uses at present, and how many processes there are in its
// PID namespace.
func used(ctx context.Context, r *replica) (map[string]float64, error) {
	pid := r.gate.Process.Pid
	resident, anonymous, err := memory(pid)
	if err != nil {
		return nil, err
	}
	text, err := statusField(pid, "Threads")
	if err != nil {
		return nil, err
	}
	threads, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("read the threads of process %d: %w", pid, err)
	}
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(r.processes())
	if err != nil {
		return nil, err
	}
	processes := 0
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err == nil {
			processes++
		}
	}
	goroutines, err := r.metric(ctx, "go_goroutines")
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		soakRSS: resident, soakAnon: anonymous, soakThreads: threads,
		soakDescriptors: float64(len(descriptors)), soakGoroutines: goroutines, soakProcesses: float64(processes),
	}, nil
}

// metric asks the gate at its endpoint for the value of one series.
func (r *replica) metric(ctx context.Context, name string) (_ float64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.endpoint+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := asking.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("%s has no %s", request.URL, name))
}
