package kube

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// resource is one kind of object and where the API keeps it. kind and resource
// are what manifests and Roles call it.
type resource struct {
	group, version, plural, kind string
}

var (
	leases         = resource{"coordination.k8s.io", "v1", "leases", "Lease"}
	configMaps     = resource{"", "v1", "configmaps", "ConfigMap"}
	endpoints      = resource{"", "v1", "endpoints", "Endpoints"}
	endpointSlices = resource{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"}
	pods           = resource{"", "v1", "pods", "Pod"}
	services       = resource{"", "v1", "services", "Service"}
	events         = resource{"", "v1", "events", "Event"}
)

// apiVersion is the group and version as objects name them.
func (r resource) apiVersion() string {
	if r.group == "" {
		return r.version
	}
	return r.group + "/" + r.version
}

// path is the resource's path in a namespace; with a name, the object's.
func (r resource) path(namespace, name string) string {
	prefix := "/apis/" + r.group + "/" + r.version
	if r.group == "" {
		prefix = "/api/" + r.version
	}
	path := prefix + "/namespaces/" + url.PathEscape(namespace) + "/" + r.plural
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	return path
}

// object names one object for logs and errors, as in «lease prod/db».
func (r resource) object(namespace, name string) string {
	return strings.ToLower(r.kind) + " " + namespace + "/" + name
}

// rule is the line to add under `rules:` of a Role. Without a name it is for all
// names. It has no double quotes and no backslashes, which a log line would
// escape: who copies it from there has YAML.
func (r resource) rule(name string, verbs ...string) string {
	names := ""
	if name != "" {
		names = fmt.Sprintf("resourceNames: [%s], ", scalar(name))
	}
	return fmt.Sprintf("- {apiGroups: [%s], resources: [%s], %sverbs: [%s]}", scalar(r.group), r.plural, names, strings.Join(verbs, ", "))
}

// certainlyText begins with a letter and has none of the characters that mean
// something to YAML.
var certainlyText = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)

// scalar is a name as YAML reads it as a string: as it is, or in single quotes
// where it could be taken for a number, a date, a truth value or nothing at all.
func scalar(name string) string {
	switch name {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
	default:
		if certainlyText.MatchString(name) {
			return name
		}
	}
	return "'" + strings.ReplaceAll(name, "'", "''") + "'"
}
