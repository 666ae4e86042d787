package config

import "regexp"

var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// isLabel reports whether s may name a namespace or a Service (RFC 1123 label;
// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/).
func isLabel(s string) bool { return len(s) <= 63 && label.MatchString(s) }

// isSubdomain reports whether s may name a Lease, Pod, node and most other
// objects (RFC 1123 subdomain, same source).
func isSubdomain(s string) bool { return len(s) <= 253 && subdomain.MatchString(s) }
