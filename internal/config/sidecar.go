package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sidecar finds out in whose words a program without a command was told to tell
// others who leads, and puts them into ours. In nobody's: there is no sidecar.
func (v *validator) sidecar(electorFlags map[string]string) {
	c, set := v.config, v.set
	leaseName := os.Getenv("LEASE_NAME")
	switch {
	case len(electorFlags) > 0:
		if leaseName != "" {
			v.wrong(names(electorFlags)+" and LEASE_NAME", "the flags are k8s-elector's and the variable is leader-elector's, and both name a lock; take one away", "-election=my-app without LEASE_NAME")
		}
		v.k8sElector(electorFlags)
	case set.LockName != "":
		if leaseName != "" {
			v.warn("LOCK_NAME", "is set, so LEASE_NAME and what else leader-elector reads is not")
		}
		v.own()
	case leaseName != "":
		v.leaderElector()
	default:
		return
	}
	c.Sidecar = true
	if set.Name == "" {
		set.Name = set.LockName
	}
	if set.Identity == "" {
		v.hostIdentity()
	}
	if set.OnLost == "" {
		set.OnLost = string(Standby)
	}
}

// own: what a sidecar in our own words need not be told.
func (v *validator) own() {
	if v.set.LockNamespace == "" {
		v.set.LockNamespace = v.set.PodNamespace
	}
}

// hostIdentity: in a Pod the name of the host is that of the Pod.
func (v *validator) hostIdentity() {
	name, err := v.machine.hostname()
	if err == nil {
		v.set.Identity = name
	}
}

// noSidecar: the older tools had no command.
func (v *validator) noSidecar(electorFlags map[string]string) {
	if len(electorFlags) > 0 {
		v.wrong(names(electorFlags), "flags of k8s-elector, which make this program a sidecar; a sidecar has no command and no "+Prefix+"_ENABLED: leave those out, or give --lock-name, --lock-namespace and --identity before the command", "--enabled --lock-name=my-app")
	}
}

// statusFile: where the leader is told by a file.
func (v *validator) statusFile() {
	c, set := v.config, v.set
	c.StatusFile, c.StatusDir = set.StatusFile, set.StatusDir
	c.StatusFileExpiry = choice(v, "STATUS_FILE_EXPIRY", set.StatusFileExpiry, "false", "true") == "true"
	for _, variable := range []string{"STATUS_FILE", "STATUS_DIR"} {
		if path := *v.place(variable); path != "" && !filepath.IsAbs(path) {
			v.mistake(variable, "not an absolute path, and what it would be relative to is up to the image; give one that begins with a slash")
		}
	}
	if c.StatusFile != "" && c.StatusDir != "" {
		v.mistake("STATUS_DIR", "does not go with "+v.config.origins.key("STATUS_FILE")+", which says the same in another form; leave one of them unset")
	}
}

// use: what was given, but is for another use of the program.
func (v *validator) use() {
	for _, r := range table {
		switch {
		case *r.value(v.set) == "":
		case r.use == gate && v.config.Sidecar:
			v.mistake(r.name, "is about a command, and a sidecar has none; leave it unset, or give a command and "+Prefix+"_ENABLED")
		case r.use == sidecar && !v.config.Sidecar:
			v.mistake(r.name, "is for a sidecar, which has no command; leave it unset, for the command runs only while this replica leads")
		}
	}
}

// wrong notes what is wrong with a word that is not one of our variables.
func (v *validator) wrong(word, what, example string) {
	v.mistakes = append(v.mistakes, fmt.Errorf("%s: %s, for example %s", word, what, example))
}

// fill reads a variable of an older tool in the place of ours, if that is empty.
func (v *validator) fill(variable, theirs, example string) {
	place := v.place(variable)
	if *place != "" {
		return
	}
	*place = os.Getenv(theirs)
	v.config.origins[variable] = origin{key: theirs, example: example}
}

// place is where the value of a variable is kept.
func (v *validator) place(variable string) *string {
	for _, r := range table {
		if r.name == variable {
			return r.value(v.set)
		}
	}
	panic("no such variable: " + variable)
}

var errNothingToDo = errors.New("no command, and no lock to run as a sidecar for; put a command after the options, or name a lock as --lock-name does, -election of k8s-elector or LEASE_NAME of leader-elector, for example k8s-await-election my-server --port 80, or see --help")
