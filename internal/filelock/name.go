package filelock

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// longest is how long a file's name may become before it is shortened: NAME_MAX
// (255 on all that matters) less the longest ending.
const longest = 255 - len(newEnding)

// fileName is the name that a lock's files have in common. Different locks have
// different names, whatever text they are called by; names of Kubernetes stay
// as they are.
func fileName(namespace, name string) string {
	text := escape(namespace) + "_" + escape(name)
	if len(text) <= longest {
		return text
	}
	// A percent sign that no two digits follow is in no escaped name.
	sum := sha256.Sum256([]byte(text))
	tail := "%sha256-" + hex.EncodeToString(sum[:])
	return text[:longest-len(tail)] + tail
}

// escape writes all but letters, digits, hyphens and inner dots as %XX, so the
// result holds no separator, is not hidden, and is neither «.» nor «..».
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
