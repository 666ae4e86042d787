package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// grpcHandler calls grpc.health.v1.Health/Check over HTTP/2 without TLS, as the
// kubelet does. Request and answer are one small message each, so they are made
// and read here: the gRPC module would add megabytes to the binary for it.
// Sources: «gRPC over HTTP2» (doc/PROTOCOL-HTTP2.md of grpc/grpc), «GRPC Health
// Checking Protocol» (doc/health-checking.md).
func grpcHandler(check *GRPC, host, version string) handler {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true, Protocols: protocols},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	where := net.JoinHostPort(host, strconv.Itoa(check.Port))
	target := "http://" + where + "/grpc.health.v1.Health/Check"
	message := healthRequest(check.Service)
	return func(ctx context.Context) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(message))
		if err != nil {
			return "", fmt.Errorf("grpc health check of %s: %w", where, err)
		}
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("TE", "trailers")
		request.Header.Set("User-Agent", userAgent(version))
		if deadline, ok := ctx.Deadline(); ok {
			// A courtesy; at most eight digits may be sent.
			if left := time.Until(deadline).Milliseconds(); left > 0 && left < 1e8 {
				request.Header.Set("Grpc-Timeout", strconv.FormatInt(left, 10)+"m")
			}
		}
		answer, err := client.Do(request)
		if err != nil {
			return "", fmt.Errorf("grpc health check of %s: %w", where, bare(err))
		}
		defer func() { _ = answer.Body.Close() }()
		status, err := healthAnswer(answer)
		if err != nil {
			return "", fmt.Errorf("grpc health check of %s: %w", where, err)
		}
		if status != serving {
			return "", fmt.Errorf("grpc health check of %s: %s", where, statusName(status))
		}
		return "", nil
	}
}

// healthRequest is a HealthCheckRequest{service} with its frame: one byte
// «not compressed», the length in four bytes, the message. The message is
// field 1 as a string, or nothing where it is empty.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(frame, message...)
}

// serving is HealthCheckResponse.ServingStatus SERVING.
const serving = 1

func statusName(status uint64) string {
	switch status {
	case 0:
		return "UNKNOWN"
	case serving:
		return "SERVING"
	case 2:
		return "NOT_SERVING"
	case 3:
		return "SERVICE_UNKNOWN"
	}
	return fmt.Sprintf("status %d", status)
}

// healthAnswer reads the serving status out of an answer.
func healthAnswer(answer *http.Response) (uint64, error) {
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("HTTP status %d: is it a gRPC server?", answer.StatusCode)
	}
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/grpc") {
		return 0, errors.New("the answer is not gRPC: is it a gRPC server?")
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	// The outcome follows the message, or, where there is none, is among the
	// headers.
	code, text := answer.Trailer.Get("Grpc-Status"), answer.Trailer.Get("Grpc-Message")
	if code == "" {
		code, text = answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	}
	switch code {
	case "0":
		return servingStatus(body)
	case "":
		return 0, errors.New("the answer broke off")
	case "5":
		return 0, errors.New("the server does not know this service")
	case "12":
		return 0, errors.New("the server does not implement grpc.health.v1.Health")
	}
	if decoded, err := url.PathUnescape(text); err == nil {
		text = decoded
	}
	return 0, fmt.Errorf("grpc status %s: %s", oneLine(code), oneLine(text))
}

var errMalformed = errors.New("the answer is malformed")

// servingStatus reads field 1 of a HealthCheckResponse, 0 where it is absent.
func servingStatus(frame []byte) (uint64, error) {
	const header = 5
	if len(frame) < header || frame[0] != 0 || uint64(binary.BigEndian.Uint32(frame[1:])) != uint64(len(frame)-header) {
		return 0, errMalformed
	}
	message := frame[header:]
	status := uint64(0)
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, errMalformed
		}
		value, rest, ok := field(tag&7, message[n:])
		if !ok {
			return 0, errMalformed
		}
		if tag == 1<<3 {
			status = value
		}
		message = rest
	}
	return status, nil
}

// field steps over the value of one protobuf field, and tells it where it is a
// varint.
func field(wireType uint64, message []byte) (value uint64, rest []byte, ok bool) {
	var size uint64
	switch wireType {
	case 0: // varint
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, nil, false
		}
		return value, message[n:], true
	case 1: // eight bytes
		size = 8
	case 2: // length, bytes
		length, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, nil, false
		}
		message, size = message[n:], length
	case 5: // four bytes
		size = 4
	default:
		return 0, nil, false
	}
	if size > uint64(len(message)) {
		return 0, nil, false
	}
	return 0, message[size:], true
}
