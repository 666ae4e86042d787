//go:build linux

// Package unelected becomes the command at once where nobody speaks of an
// election, before the rest of the program is initialised: an image that has the
// program in it as its entrypoint pays for that at each start. Everything that is
// not as plain as that is left to package app, which executes the command by the
// same rules, and tells what is wrong. The program links it in, and nothing else
// may: a test with arguments would become a command.
package unelected

import (
	"os"
	"syscall"
)

// An init for time alone. Packages are initialised in the order of their import
// paths, once what they import is (Go specification, «Program initialization»):
// this one is among the first, as long as it imports no more than these two.
// strings, fmt or golang.org/x/sys/unix would have it wait for half of the program.
func init() {
	if silent(os.Args, os.Environ()) {
		become(os.Args[1:], os.Environ())
	}
}

// silent reports whether there is a command, and neither an option nor a variable
// of this program. What the program calls itself (package self) has a space in it.
func silent(args, environ []string) bool {
	const prefix = "K8S_AWAIT_ELECTION_" // config.Prefix
	if len(args) < 2 || index(args[0], ' ') >= 0 || args[1] == "" || args[1][0] == '-' {
		return false
	}
	for _, entry := range environ {
		if len(entry) >= len(prefix) && entry[:len(prefix)] == prefix {
			return false
		}
	}
	return true
}

// become executes the first file that the command's name may mean (execvp(3)). It
// returns where there is none, or where that is not so simple.
func become(argv, environ []string) {
	name := argv[0]
	if index(name, '/') >= 0 {
		_ = syscall.Exec(name, argv, environ)
		return
	}
	for rest := os.Getenv("PATH"); rest != ""; {
		dir := rest
		if end := index(rest, ':'); end >= 0 {
			dir, rest = rest[:end], rest[end+1:]
		} else {
			rest = ""
		}
		if dir == "" {
			return // the current directory
		}
		file := dir + "/" + name
		if _, err := os.Stat(file); err == nil {
			_ = syscall.Exec(file, argv, environ)
			return
		}
	}
}

func index(text string, char byte) int {
	for i := range len(text) {
		if text[i] == char {
			return i
		}
	}
	return -1
}
