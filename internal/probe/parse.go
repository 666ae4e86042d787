package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const example = `{"httpGet":{"path":"/healthz","port":8080},"periodSeconds":5}`

// Parse reads a core/v1 Probe written as JSON. Defaults and validation are the
// API server's, with two differences. Ports must be numbers, because the names
// of container ports cannot be seen from inside the container. And a key that
// is not known is an error here, because a mistyped key would otherwise
// silently leave a probe at its defaults.
//
// Empty text is no probe: nil and no error. The error lists all mistakes
// (errors.Join), each with its field and an example, and repeats no value.
func Parse(kind Kind, text string) (*Spec, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	d := &decoder{kind: kind}
	spec := d.probe(json.RawMessage(text))
	if len(d.mistakes) > 0 {
		return nil, errors.Join(d.mistakes...)
	}
	return spec, nil
}

// decoder collects mistakes instead of stopping at the first. It is no
// json.Decoder with DisallowUnknownFields, because that one stops, and tells
// neither the path of a key nor what was expected there.
type decoder struct {
	kind     Kind
	mistakes []error
}

func (d *decoder) mistake(path, format string, args ...any) {
	where := d.kind.String() + " probe"
	if path != "" {
		where += ": " + path
	}
	d.mistakes = append(d.mistakes, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

func (d *decoder) probe(raw json.RawMessage) *Spec {
	if !json.Valid(raw) {
		d.mistake("", "is not valid JSON; example: %s", example)
		return nil
	}
	o, ok := d.object("", raw, example)
	if !ok {
		return nil
	}
	spec := &Spec{
		InitialDelay:     o.seconds("initialDelaySeconds", 0),
		Timeout:          o.seconds("timeoutSeconds", 1),
		Period:           o.seconds("periodSeconds", 10),
		SuccessThreshold: o.number("successThreshold", 1),
		FailureThreshold: o.number("failureThreshold", 3),
	}
	if d.kind != Readiness && spec.SuccessThreshold > 1 {
		d.mistake("successThreshold", `must be 1 for a %s probe; leave it out, or write "successThreshold":1`, d.kind)
	}
	d.gracePeriod(o)

	handlers := 0
	for _, handler := range []struct {
		name string
		read func(raw json.RawMessage)
	}{
		{"exec", func(raw json.RawMessage) { spec.Exec = d.exec(raw) }},
		{"httpGet", func(raw json.RawMessage) { spec.HTTPGet = d.httpGet(raw) }},
		{"tcpSocket", func(raw json.RawMessage) { spec.TCPSocket = d.tcpSocket(raw) }},
		{"grpc", func(raw json.RawMessage) { spec.GRPC = d.grpc(raw) }},
	} {
		if raw, present := o.take(handler.name); present {
			handlers++
			handler.read(raw)
		}
	}
	if handlers != 1 {
		d.mistake("", "must have exactly one of exec, httpGet, tcpSocket and grpc, and has %d; example: %s", handlers, example)
	}
	o.finish()
	return spec
}

// gracePeriod checks a value that has no effect here: it shortens the kubelet's
// kill, and belongs into the probe that the kubelet runs.
func (d *decoder) gracePeriod(o *object) {
	const name = "terminationGracePeriodSeconds"
	raw, present := o.take(name)
	if !present {
		return
	}
	var seconds int64
	switch {
	case d.kind == Readiness:
		d.mistake(name, "must not be set for a readiness probe; leave it out")
	case json.Unmarshal(raw, &seconds) != nil || seconds < 1:
		d.mistake(name, `must be a whole number greater than 0; example: "%s":30`, name)
	}
}

func (d *decoder) exec(raw json.RawMessage) *Exec {
	const form = `"exec":{"command":["cat","/tmp/healthy"]}`
	o, ok := d.object("exec", raw, form)
	if !ok {
		return nil
	}
	defer o.finish()
	var command []string
	if raw, present := o.take("command"); present && json.Unmarshal(raw, &command) != nil {
		d.mistake("exec.command", "must be a list of strings; example: %s", form)
		return nil
	}
	if len(command) == 0 || command[0] == "" {
		d.mistake("exec.command", "must name a command; example: %s", form)
		return nil
	}
	return &Exec{Command: command}
}

func (d *decoder) httpGet(raw json.RawMessage) *HTTPGet {
	o, ok := d.object("httpGet", raw, `"httpGet":{"path":"/healthz","port":8080}`)
	if !ok {
		return nil
	}
	defer o.finish()
	get := &HTTPGet{
		Path:   o.text("path", "/healthz"),
		Port:   o.port(),
		Host:   o.text("host", "127.0.0.1"),
		Scheme: o.text("scheme", "HTTPS"),
	}
	if get.Path == "" {
		get.Path = "/"
	}
	if get.Scheme == "" {
		get.Scheme = "HTTP"
	}
	if get.Scheme != "HTTP" && get.Scheme != "HTTPS" {
		d.mistake("httpGet.scheme", `must be HTTP or HTTPS, in capitals; example: "scheme":"HTTPS"`)
	}
	if raw, present := o.take("httpHeaders"); present {
		get.Headers = d.headers(raw)
	}
	return get
}

func (d *decoder) headers(raw json.RawMessage) []Header {
	const form = `"httpHeaders":[{"name":"Host","value":"example.com"}]`
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		d.mistake("httpGet.httpHeaders", "must be a list; example: %s", form)
		return nil
	}
	headers := make([]Header, 0, len(items))
	for i, item := range items {
		path := fmt.Sprintf("httpGet.httpHeaders[%d]", i)
		o, ok := d.object(path, item, form)
		if !ok {
			continue
		}
		header := Header{Name: o.text("name", "Host"), Value: o.text("value", "example.com")}
		if !isHeaderName(header.Name) {
			d.mistake(path+".name", "must consist of letters, digits and '-'; example: %s", form)
		}
		// The API server lets these through, and every request would then be
		// refused by the HTTP client.
		if strings.ContainsFunc(header.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			d.mistake(path+".value", "must not contain control characters; example: %s", form)
		}
		o.finish()
		headers = append(headers, header)
	}
	return headers
}

// isHeaderName tells what apimachinery's validation.IsHTTPHeaderName accepts.
func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

func (d *decoder) tcpSocket(raw json.RawMessage) *TCPSocket {
	o, ok := d.object("tcpSocket", raw, `"tcpSocket":{"port":5432}`)
	if !ok {
		return nil
	}
	defer o.finish()
	return &TCPSocket{Port: o.port(), Host: o.text("host", "127.0.0.1")}
}

func (d *decoder) grpc(raw json.RawMessage) *GRPC {
	o, ok := d.object("grpc", raw, `"grpc":{"port":9090}`)
	if !ok {
		return nil
	}
	defer o.finish()
	return &GRPC{Port: o.port(), Service: o.text("service", "my.package.Service")}
}

// object is one JSON object while its keys are taken out one by one.
type object struct {
	d      *decoder
	path   string
	fields map[string]json.RawMessage
	asked  []string
}

func (d *decoder) object(path string, raw json.RawMessage, form string) (*object, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		d.mistake(path, "must be a JSON object; example: %s", form)
		return nil, false
	}
	return &object{d: d, path: path, fields: fields}, true
}

func (o *object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// take removes a key. As in Kubernetes, null means that it is absent.
func (o *object) take(name string) (json.RawMessage, bool) {
	o.asked = append(o.asked, name)
	raw, present := o.fields[name]
	delete(o.fields, name)
	return raw, present && string(raw) != "null"
}

// finish reports the keys that nobody has taken.
func (o *object) finish() {
	unknown := make([]string, 0, len(o.fields))
	for name := range o.fields {
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		hint := "known are " + strings.Join(o.asked, ", ")
		for _, known := range o.asked {
			if strings.EqualFold(name, known) {
				hint = "write " + known
			}
		}
		o.d.mistake(o.at(name), "unknown key; %s", hint)
	}
}

func (o *object) text(name, sample string) string {
	raw, present := o.take(name)
	if !present {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		o.d.mistake(o.at(name), `must be a string; example: "%s":"%s"`, name, sample)
	}
	return text
}

// number reads an int32 that must not be negative; 0 means the default, as the
// API server's defaulting has it.
func (o *object) number(name string, fallback int) int {
	raw, present := o.take(name)
	if !present {
		return fallback
	}
	var value int32
	if json.Unmarshal(raw, &value) != nil || value < 0 {
		o.d.mistake(o.at(name), `must be a whole number from 0 to %d; example: "%s":%d`, math.MaxInt32, name, fallback)
		return fallback
	}
	if value == 0 {
		return fallback
	}
	return int(value)
}

func (o *object) seconds(name string, fallback int) time.Duration {
	return time.Duration(o.number(name, fallback)) * time.Second
}

func (o *object) port() int {
	raw, present := o.take("port")
	if !present {
		o.d.mistake(o.at("port"), `is required; example: "port":8080`)
		return 0
	}
	var name string
	if json.Unmarshal(raw, &name) == nil {
		o.d.mistake(o.at("port"), `must be a number, not a string: the names of container ports cannot be seen from inside the container; example: "port":8080`)
		return 0
	}
	var port int
	if json.Unmarshal(raw, &port) != nil || port < 1 || port > 65535 {
		o.d.mistake(o.at("port"), `must be a whole number from 1 to 65535; example: "port":8080`)
		return 0
	}
	return port
}
