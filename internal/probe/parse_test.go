package probe

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse_FillsInKubernetesDefaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]*Spec{
		`{"httpGet":{"port":8080}}`: {
			HTTPGet: &HTTPGet{Path: "/", Port: 8080, Scheme: "HTTP"},
			Timeout: time.Second, Period: 10 * time.Second, SuccessThreshold: 1, FailureThreshold: 3,
		},
		`{"tcpSocket":{"port":5432},"timeoutSeconds":0,"periodSeconds":0,"successThreshold":0,"failureThreshold":0,"initialDelaySeconds":0}`: {
			TCPSocket: &TCPSocket{Port: 5432},
			Timeout:   time.Second, Period: 10 * time.Second, SuccessThreshold: 1, FailureThreshold: 3,
		},
		`{"grpc":{"port":9090,"service":null},"exec":null}`: {
			GRPC:    &GRPC{Port: 9090},
			Timeout: time.Second, Period: 10 * time.Second, SuccessThreshold: 1, FailureThreshold: 3,
		},
	} {
		spec, err := Parse(Readiness, text)
		if err != nil || !reflect.DeepEqual(spec, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, spec, err, want)
		}
	}
}

func TestParse_ReadsEveryField(t *testing.T) {
	t.Parallel()
	rest := `,"initialDelaySeconds":1,"timeoutSeconds":2,"periodSeconds":3,"successThreshold":4,"failureThreshold":5}`
	with := func(spec Spec) *Spec {
		spec.InitialDelay, spec.Timeout, spec.Period = time.Second, 2*time.Second, 3*time.Second
		spec.SuccessThreshold, spec.FailureThreshold = 4, 5
		return &spec
	}
	for text, want := range map[string]*Spec{
		`{"httpGet":{"path":"/x?y=z","port":1,"host":"h","scheme":"HTTPS","httpHeaders":[{"name":"Host","value":"a"},{"name":"X-B","value":""}]}`: with(Spec{
			HTTPGet: &HTTPGet{Path: "/x?y=z", Port: 1, Host: "h", Scheme: "HTTPS", Headers: []Header{{"Host", "a"}, {"X-B", ""}}},
		}),
		`{"tcpSocket":{"port":65535,"host":"h"}`:        with(Spec{TCPSocket: &TCPSocket{Port: 65535, Host: "h"}}),
		`{"exec":{"command":["cat","","/tmp/healthy"]}`: with(Spec{Exec: &Exec{Command: []string{"cat", "", "/tmp/healthy"}}}),
		`{"grpc":{"port":9090,"service":"s"}`:           with(Spec{GRPC: &GRPC{Port: 9090, Service: "s"}}),
	} {
		spec, err := Parse(Readiness, text+rest)
		if err != nil || !reflect.DeepEqual(spec, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, spec, err, want)
		}
	}
}

func TestParse_TakesEmptyTextForNoProbe(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " \n"} {
		if spec, err := Parse(Liveness, text); spec != nil || err != nil {
			t.Errorf("%q: %v, %v; want none and no error", text, spec, err)
		}
	}
}

func TestParse_AcceptsTheGracePeriodThatConcernsTheKubelet(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Liveness, Startup} {
		if _, err := Parse(kind, `{"tcpSocket":{"port":1},"terminationGracePeriodSeconds":5}`); err != nil {
			t.Errorf("%s probe: %v", kind, err)
		}
	}
}

// Every value that looks like SECRET must be absent from the message.
func TestParse_NamesFieldMistakeAndExample(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		kind Kind
		text string
		want []string
	}{
		{Liveness, `httpGet: {port: 8080}`, []string{"liveness probe: is not valid JSON", `"httpGet":{`}},
		{Liveness, `{"tcpSocket":{"port":1}} {}`, []string{"is not valid JSON"}},
		{Liveness, `["SECRET"]`, []string{"liveness probe: must be a JSON object"}},
		{Liveness, `null`, []string{"must be a JSON object"}},
		{Readiness, `{}`, []string{"readiness probe: must have exactly one of exec, httpGet, tcpSocket and grpc, and has 0", `example: {"httpGet"`}},
		{Readiness, `{"tcpSocket":{"port":1},"grpc":{"port":1}}`, []string{"exactly one", "has 2"}},

		{Startup, `{"tcpSocket":{"port":"SECRET"}}`, []string{"startup probe: tcpSocket.port: must be a number", "cannot be seen from inside the container", `"port":8080`}},
		{Startup, `{"tcpSocket":{"port":"8080"}}`, []string{"tcpSocket.port: must be a number"}},
		{Startup, `{"tcpSocket":{}}`, []string{"tcpSocket.port: is required", `"port":8080`}},
		{Startup, `{"tcpSocket":{"port":0}}`, []string{"tcpSocket.port: must be a whole number from 1 to 65535"}},
		{Startup, `{"grpc":{"port":65536}}`, []string{"grpc.port: must be a whole number from 1 to 65535"}},
		{Startup, `{"httpGet":{"port":80.5}}`, []string{"httpGet.port: must be a whole number"}},
		{Startup, `{"httpGet":{"port":-1}}`, []string{"httpGet.port: must be a whole number"}},
		{Startup, `{"httpGet":"SECRET"}`, []string{"httpGet: must be a JSON object", `"port":8080`}},
		{Startup, `{"tcpSocket":"SECRET"}`, []string{"tcpSocket: must be a JSON object"}},
		{Startup, `{"grpc":["SECRET"]}`, []string{"grpc: must be a JSON object", `"port":9090`}},
		{Startup, `{"exec":"SECRET"}`, []string{"exec: must be a JSON object", `["cat","/tmp/healthy"]`}},
		{Startup, `{"httpGet":{"port":1,"path":7}}`, []string{"httpGet.path: must be a string", `"path":"/healthz"`}},
		{Startup, `{"httpGet":{"port":1,"scheme":"https"}}`, []string{"httpGet.scheme: must be HTTP or HTTPS", `"scheme":"HTTPS"`}},
		{Startup, `{"httpGet":{"port":1,"httpHeaders":{"SECRET":1}}}`, []string{"httpGet.httpHeaders: must be a list"}},
		{Startup, `{"httpGet":{"port":1,"httpHeaders":[{"name":"a b","value":"SECRET"}]}}`, []string{"httpGet.httpHeaders[0].name: must consist of"}},
		{Startup, `{"httpGet":{"port":1,"httpHeaders":[{"value":"SECRET"}]}}`, []string{"httpGet.httpHeaders[0].name"}},
		{Startup, `{"httpGet":{"port":1,"httpHeaders":[{"name":"a","value":"SECRET\r\nb: c"}]}}`, []string{"httpGet.httpHeaders[0].value: must not contain control characters"}},
		{Startup, `{"httpGet":{"port":1,"httpHeaders":["SECRET"]}}`, []string{"httpGet.httpHeaders[0]: must be a JSON object"}},
		{Startup, `{"exec":{}}`, []string{"exec.command: must name a command", `["cat","/tmp/healthy"]`}},
		{Startup, `{"exec":{"command":[]}}`, []string{"exec.command: must name a command"}},
		{Startup, `{"exec":{"command":[""]}}`, []string{"exec.command: must name a command"}},
		{Startup, `{"exec":{"command":"SECRET"}}`, []string{"exec.command: must be a list of strings"}},

		{Readiness, `{"tcpSocket":{"port":1},"periodSeconds":-1}`, []string{"periodSeconds: must be a whole number from 0", `"periodSeconds":10`}},
		{Readiness, `{"tcpSocket":{"port":1},"timeoutSeconds":"SECRET"}`, []string{"timeoutSeconds: must be a whole number", `"timeoutSeconds":1`}},
		{Readiness, `{"tcpSocket":{"port":1},"initialDelaySeconds":0.5}`, []string{"initialDelaySeconds: must be a whole number"}},
		{Readiness, `{"tcpSocket":{"port":1},"failureThreshold":2147483648}`, []string{"failureThreshold: must be a whole number"}},
		{Liveness, `{"tcpSocket":{"port":1},"successThreshold":2}`, []string{"successThreshold: must be 1 for a liveness probe"}},
		{Startup, `{"tcpSocket":{"port":1},"successThreshold":2}`, []string{"successThreshold: must be 1 for a startup probe"}},
		{Readiness, `{"tcpSocket":{"port":1},"terminationGracePeriodSeconds":5}`, []string{"terminationGracePeriodSeconds: must not be set for a readiness probe"}},
		{Liveness, `{"tcpSocket":{"port":1},"terminationGracePeriodSeconds":0}`, []string{"terminationGracePeriodSeconds: must be a whole number greater than 0"}},

		{Liveness, `{"tcpSocket":{"port":1},"periodSecond":5}`, []string{"liveness probe: periodSecond: unknown key; known are ", "periodSeconds", "tcpSocket"}},
		{Liveness, `{"tcpSocket":{"port":1},"PeriodSeconds":5}`, []string{"PeriodSeconds: unknown key; write periodSeconds"}},
		{Liveness, `{"httpGet":{"port":1,"headers":[]}}`, []string{"httpGet.headers: unknown key", "httpHeaders"}},
		{Liveness, `{"httpGet":{"port":1,"httpHeaders":[{"name":"a","val":"SECRET"}]}}`, []string{"httpGet.httpHeaders[0].val: unknown key"}},
		{Liveness, `{"exec":{"command":["a"],"cmd":1}}`, []string{"exec.cmd: unknown key"}},
		{Liveness, `{"grpc":{"port":1,"host":"SECRET"}}`, []string{"grpc.host: unknown key; known are port, service"}},
	} {
		spec, err := Parse(row.kind, row.text)
		if spec != nil || err == nil {
			t.Errorf("%s: accepted", row.text)
			continue
		}
		for _, want := range row.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\n%v\nlacks %q", row.text, err, want)
			}
		}
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the message repeats a value: %v", row.text, err)
		}
	}
}

func TestParse_ReportsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse(Liveness, `{"httpGet":{"port":"web","scheme":"ftp"},"periodSeconds":-1,"typo":1}`)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"httpGet.port", "httpGet.scheme", "periodSeconds", "typo"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%v\nlacks %s", err, field)
		}
	}
}

func TestSpec_PatienceOfTheLongestStartupProbeDoesNotOverflow(t *testing.T) {
	t.Parallel()
	spec, err := Parse(Startup, `{"tcpSocket":{"port":1},"initialDelaySeconds":2147483647,"periodSeconds":2147483647,"failureThreshold":2147483647}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.patience(); got != math.MaxInt64 {
		t.Errorf("patience is %s", got)
	}
}
