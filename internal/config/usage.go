package config

import (
	"fmt"
	"strings"
)

// Usage is the text of --help.
func Usage() string {
	var b strings.Builder
	b.WriteString(`k8s-await-election starts a command only while this replica holds a lock that
all replicas share, and stops it before another replica may start its own.

Usage:
  k8s-await-election [OPTION...] [--] COMMAND [ARG...]
  k8s-await-election [OPTION...]             sidecar: tell others who leads
  k8s-await-election --install DIR_OR_FILE   copy this program there
  k8s-await-election --status                print who leads, since when and why
  k8s-await-election --check URL             fetch it; 0 if it answers 2xx
  k8s-await-election --version               print the version
  k8s-await-election --help                  print this text

The first word that is not an option, or the word after --, begins the command;
everything after it belongs to the command. Each option can also be given as a
variable; the option wins, and an empty value means the default.

Without a command, and without --enabled, it is a sidecar: an application asks
it by HTTP (--status-endpoint), by a file (--status-file or --status-dir), or
others do by a label of the Pod (--pod-label). --lock-name and --lock-namespace
are all that it needs: --name is the lock's unless given, --identity the host's.
Who ran one of two older sidecars leaves its words as they are:
  k8s-elector     -election -http -id -kubeconfig -lock-type -namespace -ttl,
                  the flags of klog, and ELECTOR_POD_NAME
  leader-elector  LEASE_NAME NAMESPACE STATUS_DIR HEALTH_PORT LABEL_POD_ROLE
                  POD_NAME KUBECONFIG, read if there is a LEASE_NAME

`)
	for _, v := range Variables() {
		value := " VALUE"
		if v.Flag == flagOf("ENABLED") {
			value = ""
		}
		fmt.Fprintf(&b, "  %s%s, %s\n", v.Flag, value, v.Name)
		text := v.Meaning
		switch {
		case v.Required:
			text += " (required)"
		case v.Default != "":
			text += " (default " + v.Default + ")"
		}
		for _, line := range wrap(strings.ReplaceAll(text, "`", ""), 70) {
			b.WriteString("        " + line + "\n")
		}
	}
	b.WriteString(`
Exit status: that of the command; 128+n if signal n ended it; 126 not
executable; 127 not found; 75 lease lost; 78 bad configuration; 1 anything else.
`)
	return b.String()
}

// wrap breaks text between words into lines of at most width bytes, as far as
// its words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
