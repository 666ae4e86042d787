package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Port is one port that clients of the Service reach, as core/v1 EndpointPort
// has it.
type Port struct {
	Name        string `json:"name"`
	Port        int32  `json:"port"`
	Protocol    string `json:"protocol"`
	AppProtocol string `json:"appProtocol,omitempty"`
}

const portsExample = `, as in [{"name":"http","port":8080}]`

// portName is a DNS label (RFC 1123), which is what the API server demands.
var portName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// ParsePorts reads a JSON list of ports. Keys match whatever their case, unknown
// ones are ignored, and protocol is TCP where it is missing. An error tells of
// all mistakes and repeats none of the values.
func ParsePorts(text string) ([]Port, error) {
	var ports []Port
	decoder := json.NewDecoder(strings.NewReader(text))
	err := decoder.Decode(&ports)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return nil, fmt.Errorf("%q of a port has a value of another type than it needs%s", lastField(mismatch.Field), portsExample)
	case err != nil || bytes.Equal(bytes.TrimSpace([]byte(text)), []byte("null")):
		return nil, errors.New("this is not a JSON list of ports" + portsExample)
	}
	var mistakes []error
	names := map[string]bool{}
	for i := range ports {
		p := &ports[i]
		if p.Protocol == "" {
			p.Protocol = "TCP"
		}
		wrong := func(what string) {
			mistakes = append(mistakes, fmt.Errorf("port %d of the list: %s%s", i+1, what, portsExample))
		}
		if p.Port < 1 || p.Port > 65535 {
			wrong(`"port" must be a number from 1 to 65535`)
		}
		if p.Protocol != "TCP" && p.Protocol != "UDP" && p.Protocol != "SCTP" {
			wrong(`"protocol" must be TCP, UDP or SCTP`)
		}
		switch {
		case p.Name == "" && len(ports) > 1:
			wrong(`"name" is needed where there are several ports`)
		case p.Name != "" && !portName.MatchString(p.Name):
			wrong(`"name" must be lower-case letters, digits and dashes, 63 at most`)
		case names[p.Name]:
			wrong(`"name" must differ from the names of the other ports`)
		}
		names[p.Name] = true
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return ports, nil
}

func lastField(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
