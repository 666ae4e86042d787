package examples

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// container is one of a Pod, from its start on.
type container struct {
	pod    *pod
	name   string
	id     string
	ended  chan struct{}
	status int
}

// start starts a container; its output goes to one file.
func (p *pod) start(c corev1.Container) *container {
	p.t.Helper()
	k := &container{pod: p, name: c.Name, id: p.idOf(c), ended: make(chan struct{})}
	cmd := p.command(c)
	output, err := os.Create(k.output())
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = output.Close() }() // the container has its own copies
	cmd.Stdout, cmd.Stderr = output, output
	p.network.Do(func() { err = cmd.Start() })
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(k.ended)
		_ = cmd.Wait() // the state tells all
		k.status = cmd.ProcessState.ExitCode()
	}()
	p.t.Cleanup(k.remove)
	return k
}

func (k *container) String() string { return k.pod.name + "/" + k.name }

// output is the file that it writes to.
func (k *container) output() string { return filepath.Join(k.pod.folder, k.name+".log") }

// remove ends the container, whatever became of it.
func (k *container) remove() {
	select {
	case <-k.ended:
	default:
		_, _ = k.pod.tryRunc("kill", k.id, "KILL") // it may end by itself meanwhile
		<-k.ended
	}
	if k.pod.t.Failed() {
		k.pod.t.Logf("--- %s\n%s", k, k.log())
	}
	_, _ = k.pod.tryRunc("delete", "--force", k.id) // gone already, as a rule
}

// terminate asks it to end.
func (k *container) terminate() {
	k.pod.t.Helper()
	k.pod.runc("kill", k.id, "TERM")
}

// awaitEnd waits for the end of the container and returns its exit status.
func (k *container) awaitEnd() int {
	k.pod.t.Helper()
	select {
	case <-k.ended:
	case <-time.After(patience):
		k.pod.t.Fatalf("%s does not end", k)
	}
	return k.status
}

func (k *container) log() string {
	text, err := os.ReadFile(k.output())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// await waits until the condition holds, and fails where the container ends
// before.
func (k *container) await(what string, holds func() bool) {
	k.pod.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(look) {
		ended := false
		select {
		case <-k.ended: // what it has done before counts
			ended = true
		default:
		}
		switch {
		case holds():
			return
		case ended:
			k.pod.t.Fatalf("%s ended with status %d before: %s", k, k.status, what)
		case time.Now().After(deadline):
			k.pod.t.Fatalf("%s: never: %s", k, what)
		}
	}
}

// awaitText waits for words in what is read.
func (k *container) awaitText(words string, read func() string) {
	k.pod.t.Helper()
	k.await(words, func() bool { return strings.Contains(read(), words) })
}

// awaitLine waits for words in the log.
func (k *container) awaitLine(words string) {
	k.pod.t.Helper()
	k.awaitText(words, k.log)
}

// users are the names of the container's processes with those who run them.
func (k *container) users() map[string][]int {
	k.pod.t.Helper()
	var pids []int
	if err := json.Unmarshal([]byte(k.pod.runc("ps", "--format", "json", k.id)), &pids); err != nil {
		k.pod.t.Fatal(err)
	}
	all := map[string][]int{}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it has ended
		}
		var name string
		var uid int
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
			switch key {
			case "Name":
				name = value
			case "Uid":
				uid, _ = strconv.Atoi(strings.Fields(value)[0])
			}
		}
		all[name] = append(all[name], uid)
	}
	for _, uids := range all {
		slices.Sort(uids)
	}
	return all
}

// expand puts variables in place of $(NAME), as the kubelet does in a command.
func expand(words []string, variables map[string]string) []string {
	words = slices.Clone(words)
	for i := range words {
		for name, value := range variables {
			words[i] = strings.ReplaceAll(words[i], "$("+name+")", value)
		}
	}
	return words
}
