package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// kubeletSysctls are the settings of the whole kernel that a kubelet changes.
var kubeletSysctls = []string{
	"vm/overcommit_memory",
	"vm/panic_on_oom",
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
}

func readSysctls() (map[string]string, error) {
	values := map[string]string{}
	for _, name := range kubeletSysctls {
		text, err := os.ReadFile(sysctlFile(name))
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the kernel's settings: %w", err)
		}
		values[name] = string(bytes.TrimSpace(text))
	}
	return values, nil
}

// restoreSysctls puts back what was there before. After a restart of the machine
// nothing is to be put back.
func restoreSysctls(_ context.Context, s *state) error {
	if s.BootID != bootID() {
		return nil
	}
	for name, value := range s.Sysctls {
		text, err := os.ReadFile(sysctlFile(name))
		if err != nil {
			return err
		}
		if string(bytes.TrimSpace(text)) == value {
			continue // also where the write would be refused
		}
		if err := os.WriteFile(sysctlFile(name), []byte(value), 0); err != nil {
			return err
		}
	}
	return nil
}

func sysctlFile(name string) string { return filepath.Join("/proc/sys", name) }
