package cluster

import (
	"os"
	"reflect"
	"testing"
)

func TestState_IsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := load(dir); !isAbsent(err) {
		t.Errorf("without a cluster: %v", err)
	}
	want := &state{
		BootID: "b", Ready: true, Kubernetes: "v1.2.3", IPv6: true,
		Programs: map[string]string{"etcd": "/bin/etcd"},
		Machines: map[string]process{control: {PID: 7, Started: 1 << 60}},
		Sysctls:  map[string]string{"kernel/panic": "0"},
	}
	for range 2 { // also over an older one
		if err := want.save(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestState_RunsOnlyWhileAllMachinesLiveInThisBoot(t *testing.T) {
	t.Parallel()
	self, err := find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	running := func() *state {
		return &state{BootID: bootID(), Ready: true, Machines: map[string]process{control: self, "node-1": self, "node-2": self}}
	}
	if !running().running() {
		t.Fatal("a cluster whose machines live does not run")
	}
	for name, change := range map[string]func(*state){
		"was never ready":         func(s *state) { s.Ready = false },
		"is of an earlier boot":   func(s *state) { s.BootID = "another" },
		"lacks a machine":         func(s *state) { delete(s.Machines, "node-2") },
		"has a machine that died": func(s *state) { s.Machines["node-2"] = process{PID: self.PID, Started: self.Started + 1} },
	} {
		s := running()
		change(s)
		if s.running() {
			t.Errorf("a cluster that %s runs", name)
		}
	}
}
