package config

import (
	"slices"
	"strconv"
	"time"
)

// electorFlag is a flag of k8s-elector that is none of ours. Its -kubeconfig and
// -lock-type are ours too, and mean the same.
type electorFlag struct {
	name    string
	boolean bool
	example string
}

// electorFlags are k8s-elector's own, and those of its log, klog.
var electorFlags = []electorFlag{
	{name: "election", example: "my-app"},
	{name: "http", example: ":4040"},
	{name: "id", example: "my-app-0"},
	{name: "namespace", example: "default"},
	{name: "ttl", example: "10s"},

	{name: "v", example: "4"},
	{name: "vmodule", example: "lock=4"},
	{name: "logtostderr", boolean: true, example: "true"},
	{name: "alsologtostderr", boolean: true, example: "true"},
	{name: "stderrthreshold", example: "INFO"},
	{name: "log_dir", example: "/var/log"},
	{name: "log_file", example: "/var/log/my-app"},
	{name: "log_file_max_size", example: "1800"},
	{name: "log_backtrace_at", example: "lock.go:80"},
	{name: "add_dir_header", boolean: true, example: "true"},
	{name: "skip_headers", boolean: true, example: "true"},
	{name: "skip_log_headers", boolean: true, example: "true"},
	{name: "one_output", boolean: true, example: "true"},
}

// electorProportions are k8s-elector's: of its ttl it renews for a third, every
// sixth.
var electorProportions = proportions{
	lease: 10 * time.Second,
	renew: func(lease time.Duration) time.Duration { return lease / 3 },
	retry: func(lease, renew time.Duration) time.Duration { return min(lease/6, renew/2) },

	leaseWords: "10 s", renewWords: "1/3 of the lease",
}

// electorDebug is the klog level from which on what happens is told in detail.
const electorDebug = 4

// k8sElector takes over what k8s-elector's flags say. They win over variables, as
// all flags do.
func (v *validator) k8sElector(flags map[string]string) {
	c, set := v.config, v.set
	set.LockName = "" // the flags are another's, and so is the election
	v.take(&set.LockName, "LOCK_NAME", flags, "election")
	if _, given := flags["election"]; !given {
		c.origins["LOCK_NAME"] = origin{key: "-election, with which " + names(flags) + " of k8s-elector go", example: "-election=my-app"}
	}
	v.take(&set.StatusEndpoint, "STATUS_ENDPOINT", flags, "http")
	v.take(&set.Identity, "IDENTITY", flags, "id")
	v.take(&set.LockNamespace, "LOCK_NAMESPACE", flags, "namespace")
	v.take(&set.LeaseDuration, "LEASE_DURATION", flags, "ttl")
	v.call("LOCK_TYPE", set.LockType, "-lock-type")
	v.call("KUBECONFIG", set.Kubeconfig, "-kubeconfig")
	v.proportions = electorProportions
	if set.LockNamespace == "" {
		set.LockNamespace = "default"
	}
	v.verbosity(flags)
	if set.LockType != string(File) {
		v.electorLabel()
	}
}

// electorLabel: that tool labels the Pod that has the name of the host where it
// is told no other.
func (v *validator) electorLabel() {
	c, set := v.config, v.set
	v.fill(&set.PodName, "POD_NAME", "ELECTOR_POD_NAME", "my-app-0")
	if set.PodName == "" {
		name, err := v.machine.hostname()
		if err != nil || !isSubdomain(name) {
			return // no Pod has that name
		}
		set.PodName, c.PodNameGuessed = name, true
	}
	if set.PodLabel == "" {
		set.PodLabel = "k8s-elector/status=leader/standby"
	}
}

// take moves the value of a flag of k8s-elector into the variable's place, if it
// was given and not empty.
func (v *validator) take(place *string, variable string, flags map[string]string, flag string) {
	if flags[flag] != "" {
		*place = flags[flag]
	} else if *place != "" {
		return
	}
	i := slices.IndexFunc(electorFlags, func(f electorFlag) bool { return f.name == flag })
	v.config.origins[variable] = origin{key: "-" + flag, example: "-" + flag + "=" + electorFlags[i].example}
}

// call has a variable told of by a flag that is both tools', unless the variable
// itself was set.
func (v *validator) call(variable, value, flag string) {
	if _, byFlag := v.config.origins[variable]; byFlag || value == "" {
		v.config.origins[variable] = origin{key: flag, example: flag + "=" + exampleOf(variable)}
	}
}

// verbosity reads klog's flags. Of those only -v has a meaning here; what is only
// said about files cannot be followed.
func (v *validator) verbosity(flags map[string]string) {
	if level, given := flags["v"]; given {
		n, err := strconv.ParseInt(level, 10, 32)
		if err != nil {
			v.wrong("-v", "not a level; give a number", "-v=4")
		}
		if n >= electorDebug {
			v.set.LogLevel = "debug"
		}
	}
	for _, f := range electorFlags {
		text, given := flags[f.name]
		if !f.boolean || !given {
			continue
		}
		value, err := strconv.ParseBool(text)
		if err != nil {
			v.wrong("-"+f.name, "neither true nor false; give one of them", "-"+f.name+"=true")
		}
		if f.name == "logtostderr" && err == nil && !value {
			v.config.Warnings = append(v.config.Warnings, "-logtostderr is false, but the log goes to standard error and nowhere else")
		}
	}
	for _, name := range []string{"log_dir", "log_file"} {
		if flags[name] != "" {
			v.config.Warnings = append(v.config.Warnings, "-"+name+" is given, but the log goes to standard error and nowhere else")
		}
	}
}
