package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sidecar finds out in whose words a program without a command was told to let
// others know who leads, and puts them into ours. In nobody's: it is no sidecar.
func (v *validator) sidecar(flags map[string]string) {
	set := v.set
	leaseName := os.Getenv("LEASE_NAME")
	switch {
	case len(flags) > 0:
		if leaseName != "" {
			v.wrong(names(flags)+" and LEASE_NAME", "the flags are k8s-elector's, the variable is leader-elector's, and both name a lock; take one of them away", "LEASE_NAME")
		}
		v.k8sElector(flags)
	case set.LockName != "":
		if leaseName != "" {
			v.warn("LOCK_NAME", "names the lock, so LEASE_NAME and what else leader-elector reads is ignored")
		}
		if set.LockNamespace == "" {
			set.LockNamespace = set.PodNamespace
		}
	case leaseName != "":
		v.leaderElector()
	default:
		return
	}
	v.config.Sidecar = true
	if set.Name == "" {
		set.Name = set.LockName
	}
	if set.Identity == "" { // in a Pod the host has the Pod's name
		set.Identity, _ = v.machine.hostname() // none is a mistake that is told of
	}
	if set.OnLost == "" {
		set.OnLost = string(Standby)
	}
}

// noSidecar refuses k8s-elector's flags beside a command.
func (v *validator) noSidecar(flags map[string]string) {
	if len(flags) > 0 {
		v.wrong(names(flags), "k8s-elector has such flags, and with them this program is a sidecar, which has no command and no "+Prefix+"_ENABLED; leave those out, or name the lock of the command by --lock-name", "--lock-name=my-app")
	}
}

// statusFile: the file that tells who leads.
func (v *validator) statusFile() {
	c, set := v.config, v.set
	c.StatusFile = v.path("STATUS_FILE", set.StatusFile)
	c.StatusDir = v.path("STATUS_DIR", set.StatusDir)
	c.StatusFileExpiry = choice(v, "STATUS_FILE_EXPIRY", set.StatusFileExpiry, "false", "true") == "true"
	given := "STATUS_FILE"
	if c.StatusFile == "" {
		given = "STATUS_DIR"
	}
	switch {
	case c.Sidecar && c.LockType == File && c.StatusFile+c.StatusDir != "":
		// flock(2) knows no time in which the next leader has to wait.
		v.wrong(c.origins.key(given), "does not go with the lock type file, whose lock is another's the moment that its holder is killed, while the file that says so stays; take another lock type, or STATUS_ENDPOINT in place of the file, or give the command itself, which then runs only while it leads", "--enabled --lock-type=file my-server")
	case c.StatusFile != "" && c.StatusDir != "":
		v.mistake("STATUS_DIR", "does not go with "+c.origins.key("STATUS_FILE")+", for there is one file that tells who leads; leave one of them unset, or give the directory alone")
	case c.StatusFile == "" && c.StatusDir == "" && c.StatusFileExpiry:
		v.wrong(c.origins.key("STATUS_FILE_EXPIRY"), "there is no file to write that into; name one, or leave it unset", Prefix+"_STATUS_FILE="+exampleOf("STATUS_FILE"))
	case strings.HasSuffix(c.StatusFile, "/"):
		v.mistake("STATUS_FILE", "a directory, for it ends in a slash; give a file in it")
	}
}

// path returns the value, which must be empty or absolute.
func (v *validator) path(variable, value string) string {
	if value != "" && !filepath.IsAbs(value) {
		v.mistake(variable, "not an absolute path, and where a relative one leads is up to the image; give one that begins with a slash")
	}
	return value
}

// use: what was given and is for another use of the program.
func (v *validator) use() {
	c := v.config
	for _, r := range table {
		switch {
		case *r.value(v.set) == "":
		case c.Sidecar && r.use == commands:
			v.mistakes = append(v.mistakes, errors.New(c.origins.key(r.name)+": is about the command, and a sidecar has none; leave it unset, or give a command and --enabled"))
		case !c.Sidecar && r.use == sidecars:
			v.mistakes = append(v.mistakes, errors.New(c.origins.key(r.name)+": is for a sidecar, and there is a command, which runs only while it leads; leave it unset, or leave the command and --enabled out"))
		}
	}
	if c.Sidecar && c.StatusEndpoint+c.StatusFile+c.StatusDir+c.PodLabel+c.ServiceName == "" {
		v.warn("STATUS_ENDPOINT", "is not set, nor are STATUS_FILE, STATUS_DIR, POD_LABEL and SERVICE_NAME: nobody but the log is told who leads")
	}
}

// wrong notes what is wrong with a word that is none of our variables.
func (v *validator) wrong(word, what, example string) {
	v.mistakes = append(v.mistakes, fmt.Errorf("%s: %s, for example %s", word, what, example))
}

// fill reads a variable of an older tool in the place of ours, if that is empty.
func (v *validator) fill(place *string, variable, theirs, example string) {
	if *place == "" {
		*place = os.Getenv(theirs)
		v.config.origins[variable] = origin{key: theirs, example: example}
	}
}

// names lists flags as they are written.
func names(flags map[string]string) string {
	return "-" + strings.Join(slices.Sorted(maps.Keys(flags)), ", -")
}
