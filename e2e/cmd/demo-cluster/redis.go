package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
)

// asker has redis carry a command out, by a connection of its own to the Service,
// and returns its answer: one text, or those of a list.
type asker func(ctx context.Context, command ...string) ([]string, error)

// overTCP is for where the Service can be reached from here.
func overTCP(address string) asker {
	return func(ctx context.Context, command ...string) ([]string, error) {
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		defer func() { _ = connection.Close() }()
		if deadline, is := ctx.Deadline(); is {
			if err := connection.SetDeadline(deadline); err != nil {
				return nil, err
			}
		}
		return converse(connection, command)
	}
}

// converse speaks redis' protocol, RESP2.
func converse(connection io.ReadWriter, command []string) ([]string, error) {
	var request bytes.Buffer
	fmt.Fprintf(&request, "*%d\r\n", len(command))
	for _, argument := range command {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(argument), argument)
	}
	if _, err := connection.Write(request.Bytes()); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(connection))
}

func readAnswer(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("redis answers with an empty line")
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+', ':':
		return []string{text}, nil
	case '-':
		return nil, fmt.Errorf("redis refuses: %s", text)
	case '$', '*':
	default:
		return nil, fmt.Errorf("redis answers in a way that is not known here: %q", line)
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	if count < 0 {
		return []string{""}, nil // no value, as redis-cli prints it
	}
	if kind == '$' {
		value := make([]byte, count+len("\r\n"))
		if _, err := io.ReadFull(r, value); err != nil {
			return nil, err
		}
		return []string{string(value[:count])}, nil
	}
	var all []string
	for range count {
		one, err := readAnswer(r)
		if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

// fromPod is for where the Service cannot be reached from here: redis-cli asks, in
// a Pod of the release.
func fromPod(kubectl, namespace, pod, service string) asker {
	return func(ctx context.Context, command ...string) ([]string, error) {
		arguments := []string{"--namespace=" + namespace, "exec", pod, "--container=app", "--", "redis-cli", "-h", service, "-e"}
		cmd := exec.CommandContext(ctx, kubectl, append(arguments, command...)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("redis-cli in %s: %w: %s", pod, err, strings.TrimSpace(errs.String()+out.String()))
		}
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), nil
	}
}
