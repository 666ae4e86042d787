package config

import (
	"io/fs"
	"os"
)

// machine is what a sidecar's defaults depend on beside the environment.
type machine struct {
	hostname func() (string, error)
	stat     func(path string) (fs.FileInfo, error)
}

var thisMachine = machine{hostname: os.Hostname, stat: os.Stat}

// has reports whether there is something of that kind.
func (m machine) has(path string, kind func(fs.FileMode) bool) bool {
	info, err := m.stat(path)
	return err == nil && kind(info.Mode())
}
