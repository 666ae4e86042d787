package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// commandLine is what the arguments say beside settings.
type commandLine struct {
	action  Action
	target  string
	command []string
	origins origins
	// elector are the values of k8s-elector's flags, by their names.
	elector map[string]string
}

// option is one word that may stand before the command.
type option struct {
	// spelled is the word with its dashes.
	spelled string
	// takesValue: the next word is the value, unless there is one behind a `=`.
	takesValue bool
	// alone is the value of an option that stands alone and may have another
	// behind a `=`; empty: it may not.
	alone   string
	example string
	apply   func(line *commandLine, value string) error
}

// options are all there are: the actions, one for each variable, and those of
// k8s-elector.
func options(set *settings) map[string]option {
	action := func(spelled string, a Action) option {
		return option{spelled: spelled, apply: func(line *commandLine, _ string) error { return line.choose(a, "") }}
	}
	all := map[string]option{
		"status":  action("--status", Status),
		"version": action("--version", Version),
		"help":    action("--help", Help),
		"h":       action("-h", Help),
		"install": {spelled: "--install", takesValue: true, example: "/shared/k8s-await-election", apply: func(line *commandLine, value string) error {
			if value == "" {
				return errors.New("--install: needs a directory or a file, for example --install /shared/k8s-await-election")
			}
			return line.choose(Install, value)
		}},
		"check": {spelled: "--check", takesValue: true, example: "http://localhost:9999/readyz", apply: func(line *commandLine, value string) error {
			u, err := url.Parse(value)
			if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
				return errors.New("--check: not an http or https URL; give one, for example --check http://localhost:9999/readyz")
			}
			return line.choose(Check, value)
		}},
	}
	for _, r := range table {
		own := option{
			spelled:    flagOf(r.name),
			takesValue: true,
			example:    r.example,
			apply: func(line *commandLine, value string) error {
				*r.value(set) = value
				line.origins[r.name] = origin{key: Prefix + "_" + r.name + " (" + flagOf(r.name) + ")", example: r.example}
				return nil
			},
		}
		if r.name == "ENABLED" {
			own.takesValue, own.alone = false, "1" // it must not swallow the command
		}
		all[strings.TrimPrefix(flagOf(r.name), "--")] = own
	}
	for _, f := range electorFlags {
		theirs := option{
			spelled:    "-" + f.name,
			takesValue: true,
			example:    f.example,
			apply: func(line *commandLine, value string) error {
				line.elector[f.name] = value
				return nil
			},
		}
		if f.boolean {
			theirs.takesValue, theirs.alone = false, "true"
		}
		all[f.name] = theirs
	}
	return all
}

// choose sets the action, of which there can be one.
func (line *commandLine) choose(a Action, target string) error {
	if line.action != Run && line.action != a {
		return errors.New("two of --install, --status, --check, --version and --help were given; give one, for example --help alone")
	}
	line.action, line.target = a, target
	return nil
}

// parseArguments reads options until the first word that is none, or past a
// `--`; the rest is the command. Values of flags go into set, over those of the
// environment. It is not package flag, whose errors print values and end at the
// first mistake.
func parseArguments(args []string, set *settings) (commandLine, error) {
	line := commandLine{origins: origins{}, elector: map[string]string{}}
	known := options(set)
	var mistakes []error
	for len(args) > 0 {
		word := args[0]
		if len(word) < 2 || word[0] != '-' {
			break
		}
		args = args[1:]
		if word == "--" {
			break
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
		opt, ok := known[name]
		if !ok {
			mistakes = append(mistakes, unknownOption(name, known))
			if hasValue {
				continue
			}
			// Whether the next word is its value or the command is anybody's guess.
			return line, errors.Join(mistakes...)
		}
		switch {
		case opt.takesValue && !hasValue:
			if len(args) == 0 || isOption(args[0], known) {
				mistakes = append(mistakes, fmt.Errorf("%s: needs a value, for example %s=%s", opt.spelled, opt.spelled, opt.example))
				continue
			}
			value, args = args[0], args[1:]
		case !hasValue:
			value = opt.alone
		case !opt.takesValue && opt.alone == "":
			mistakes = append(mistakes, fmt.Errorf("%s: takes no value; write %s alone", opt.spelled, opt.spelled))
			continue
		}
		if err := opt.apply(&line, value); err != nil {
			mistakes = append(mistakes, err)
		}
		if line.action == Help && len(mistakes) == 0 {
			return line, nil
		}
	}
	line.command = args
	if line.action != Run && len(args) > 0 {
		mistakes = append(mistakes, errors.New("a command was given beside --install, --status, --check or --version; give one or the other, for example --version alone"))
	}
	return line, errors.Join(mistakes...)
}

// isOption reports whether a word in the place of a value is one of our own
// options, the value having been forgotten.
func isOption(word string, known map[string]option) bool {
	name, dashed := strings.CutPrefix(word, "-")
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	_, ok := known[name]
	return dashed && ok
}

// plainOption is a word that cannot have a value glued to it, as in -pSECRET.
var plainOption = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)*$`)

// unknownOption names the option only where that cannot give a value away.
func unknownOption(name string, known map[string]option) error {
	names := make([]string, 0, len(known))
	for n := range known {
		names = append(names, n)
	}
	near := nearest(name, names)
	what := "unknown option before the command"
	if plainOption.MatchString(name) || near != "" {
		what = fmt.Sprintf("unknown option --%s before the command", name)
	}
	if near != "" {
		return fmt.Errorf("%s; did you mean %s? See --help", what, known[near].spelled)
	}
	return fmt.Errorf("%s; see --help, and write -- before a command that begins with a dash, for example k8s-await-election -- -command", what)
}
