package main

import (
	"os"
	"testing"
)

func TestHostPID_FindsAProcessByItsNumberInItsNamespace(t *testing.T) {
	t.Parallel()
	if got, err := hostPID(os.Getpid(), os.Getpid()); err != nil || got != os.Getpid() {
		t.Errorf("got %d, %v, want %d", got, err, os.Getpid())
	}
	if got, err := hostPID(os.Getpid(), -1); err == nil {
		t.Errorf("found %d for a number that no process has", got)
	}
}

func TestMemory_CountsAnonymousPagesAsAPartOfTheResident(t *testing.T) {
	t.Parallel()
	resident, anonymous, err := memory(os.Getpid())
	if err != nil || anonymous < 100<<10 || resident <= anonymous {
		t.Errorf("resident %v, anonymous %v, error %v", resident, anonymous, err)
	}
}

func TestCPUTime_GrowsWhileAProcessWorks(t *testing.T) {
	t.Parallel()
	before, err := cpuTime(os.Getpid())
	if err != nil || before <= 0 {
		t.Fatal(before, err)
	}
	for after := before; after == before; {
		if after, err = cpuTime(os.Getpid()); err != nil || after < before {
			t.Fatalf("from %v to %v, error %v", before, after, err)
		}
	}
}
