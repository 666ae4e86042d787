package probe

import (
	"math"
	"time"
)

// Kind says what a probe is for. Validation depends on it.
type Kind int

// The kinds of probe that a container can have.
const (
	Liveness Kind = iota
	Readiness
	Startup
)

// String is the kind as Kubernetes' messages name it.
func (k Kind) String() string {
	switch k {
	case Liveness:
		return "liveness"
	case Readiness:
		return "readiness"
	default:
		return "startup"
	}
}

// Spec is a core/v1 Probe after defaulting and validation. Exactly one of
// HTTPGet, TCPSocket, Exec and GRPC is set. Made by Parse; read only.
type Spec struct {
	HTTPGet   *HTTPGet
	TCPSocket *TCPSocket
	Exec      *Exec
	GRPC      *GRPC

	// InitialDelay counts from the start of the command. Zero: none.
	InitialDelay time.Duration
	// Timeout ends one run of the probe, which has then failed. The kubelet's
	// own timeout must be longer, or it never reads why.
	Timeout time.Duration
	// Period is the pause between two runs that Watch makes; the kubelet keeps
	// its own.
	Period time.Duration
	// SuccessThreshold and FailureThreshold are how many equal outcomes in a
	// row change Watch's verdict.
	SuccessThreshold int
	FailureThreshold int
}

// HTTPGet succeeds for an answer with a status from 200 to 399.
type HTTPGet struct {
	Path string
	Port int
	// Host is the name or address to connect to. Empty: Options.Host.
	Host string
	// Scheme is "HTTP" or "HTTPS"; certificates are not verified.
	Scheme  string
	Headers []Header
}

// Header is one HTTP header field. "Host" sets the host that is asked for.
type Header struct {
	Name  string
	Value string
}

// TCPSocket succeeds if the port accepts a connection.
type TCPSocket struct {
	Port int
	// Host is the name or address to connect to. Empty: Options.Host.
	Host string
}

// Exec succeeds if the command exits with 0. It is run without a shell; $(NAME)
// in it is the variable of that name, and $$ is $.
type Exec struct {
	Command []string
}

// GRPC succeeds if grpc.health.v1.Health/Check answers SERVING, without TLS.
type GRPC struct {
	Port int
	// Service is the name in the request. Empty: the server as a whole.
	Service string
}

// patience is how long after the start of the command a startup probe may keep
// failing. The kubelet makes FailureThreshold attempts, a Period apart, of
// which the first comes after InitialDelay.
func (s *Spec) patience() time.Duration {
	attempts := time.Duration(s.FailureThreshold)
	if attempts > (math.MaxInt64-s.InitialDelay)/s.Period {
		return math.MaxInt64
	}
	return s.InitialDelay + attempts*s.Period
}
