package probe

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

func tcpHandler(socket *TCPSocket, host string) handler {
	if socket.Host != "" {
		host = socket.Host
	}
	target := net.JoinHostPort(host, strconv.Itoa(socket.Port))
	return func(ctx context.Context) (string, error) {
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, "tcp", target)
		if err != nil {
			return "", fmt.Errorf("connect: %w", err) // names the address
		}
		// It was accepted; how the end of it goes is of no interest.
		_ = connection.Close()
		return "", nil
	}
}
