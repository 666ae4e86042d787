package probe

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// handler runs a probe once. An error says why it fails; a warning says what is
// odd about a success. It returns soon after ctx is done.
type handler func(ctx context.Context) (warning string, err error)

func newHandler(kind Kind, spec *Spec, o Options) (handler, error) {
	host := o.Host
	if host == "" {
		host = "127.0.0.1"
	}
	switch {
	case spec.HTTPGet != nil:
		return httpHandler(spec.HTTPGet, host, o.Version), nil
	case spec.TCPSocket != nil:
		return tcpHandler(spec.TCPSocket, host), nil
	case spec.GRPC != nil:
		return grpcHandler(spec.GRPC, host, o.Version), nil
	case spec.Exec != nil && o.Run != nil:
		return execHandler(spec.Exec, o.Environ, o.Run), nil
	case spec.Exec != nil:
		return nil, fmt.Errorf("%s probe: nothing to run exec commands with", kind)
	}
	return nil, fmt.Errorf("%s probe: has no handler", kind)
}

// bare drops the method and URL that net/http puts before its errors: the
// messages here have their own, without the query.
func bare(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// oneLine makes what a foreign program has said fit for one line of a log or of
// an answer.
func oneLine(text string) string {
	printable := func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}
	return strings.Join(strings.Fields(strings.Map(printable, text)), " ")
}
