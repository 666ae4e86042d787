package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// ending is that of the records in a directory.
const ending = ".runs"

// path is the file to append to.
func (o options) path() (string, error) {
	if o.file != "" {
		return o.file, nil
	}
	if o.name == "" || strings.ContainsAny(o.name, `/`) {
		return "", errors.New("-dir needs a -name that can be a file's")
	}
	dir, err := ofThisBoot(o.dir)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o777); err == nil {
		// Whatever the umask: the next Pod may be another user.
		if err := os.Chmod(dir, 0o777); err != nil {
			return "", err
		}
	} else if !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("%w; the directory must exist and be writable for uid %d", err, os.Geteuid())
	}
	return filepath.Join(dir, o.name+ending), nil
}

// ofThisBoot is the part of the directory whose times can be compared.
func ofThisBoot(dir string) (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, strings.TrimSpace(string(id))), nil
}

// printAll copies every record of the node. Their lines name their run, so one
// stream of them is a record too; a line that is being written is left out.
func printAll(to io.Writer, dir string) error {
	dir, err := ofThisBoot(dir)
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		whole := strings.LastIndexByte(string(text), '\n') + 1
		if _, err := to.Write(text[:whole]); err != nil {
			return err
		}
	}
	return nil
}

// open makes the directory writable for Pods of any user.
func open(dir string) error {
	if dir == "" {
		return nil
	}
	return os.Chmod(dir, 0o777|os.ModeSticky)
}

// check lists the runs in the files, which must be of one boot of one machine.
func check(to io.Writer, paths ...string) error {
	runs, err := record.Read(paths...)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if _, err := fmt.Fprintf(to, "%s to %s, ended %t, longest silence %s\n", r, r.Last, r.Ended, r.Silence); err != nil {
			return err
		}
	}
	var overlaps []error
	for _, o := range record.Overlaps(runs) {
		overlaps = append(overlaps, errors.New(o.String()))
	}
	return errors.Join(overlaps...)
}
