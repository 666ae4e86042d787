package probe

import (
	"strings"
	"unicode/utf8"
)

// expandAll replaces references to variables in the words of an exec probe's
// command, as the kubelet does in a probe that it runs itself: $(NAME) is the
// value of the variable, $$ is $, and everything else stays as it is, $(NAME) of
// an unknown variable too. A value is not looked through again.
//
// The variables are those of environ, entries as os.Environ has them, which the
// command finds as well. The kubelet knows fewer: the container's `value`s, not
// its `valueFrom`s, nor what is in the image.
func expandAll(words, environ []string) []string {
	variables := variablesOf(environ)
	expanded := make([]string, 0, len(words))
	for _, word := range words {
		expanded = append(expanded, expand(word, variables))
	}
	return expanded
}

func variablesOf(environ []string) map[string]string {
	variables := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	return variables
}

func expand(word string, variables map[string]string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(word, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		var text string
		text, word = reference(rest, variables)
		b.WriteString(text)
	}
}

// reference reads what follows a $, and returns what that and the $ become, and
// what comes after.
func reference(text string, variables map[string]string) (becomes, after string) {
	switch {
	case strings.HasPrefix(text, "$"):
		return "$", text[1:]
	case strings.HasPrefix(text, "("):
		name, after, closed := strings.Cut(text[1:], ")")
		if !closed {
			return "$(", text[1:]
		}
		if value, known := variables[name]; known {
			return value, after
		}
		return "$(" + name + ")", after
	default:
		_, size := utf8.DecodeRuneInString(text)
		return "$" + text[:size], text[size:]
	}
}
