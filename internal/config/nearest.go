package config

import (
	"regexp"
	"slices"
	"strings"
)

// nearest returns the candidate that is most alike, or "" where none is alike
// enough to have been meant.
func nearest(word string, candidates []string) string {
	slices.Sort(candidates) // the same answer every time
	best, bestDistance := "", len(word)/4+2
	for _, c := range candidates {
		if len(c) < 3 {
			continue
		}
		if d := distance(word, c); d < bestDistance && d < len(c)/2 {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// serviceLink matches what the kubelet adds to every container for a Service
// whose name begins with k8s-await-election.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// unknownVariables warns of variables with our prefix that nobody reads: most
// likely a misspelt one, which would otherwise be ignored in silence.
func unknownVariables(environ []string) []string {
	names := make([]string, 0, len(table))
	for _, r := range table {
		names = append(names, r.name)
	}
	var warnings []string
	for _, entry := range environ {
		key, _, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(key, Prefix+"_")
		if !ours || slices.Contains(names, name) {
			continue
		}
		// A gate inside a gate sees the outer one's fencing token.
		if name == "FENCING_TOKEN" || serviceLink.MatchString(key) {
			continue
		}
		warning := key + " is not a variable of this program and is ignored"
		if near := nearest(name, slices.Clone(names)); near != "" {
			warning += "; did you mean " + Prefix + "_" + near + "?"
		}
		warnings = append(warnings, warning)
	}
	slices.Sort(warnings)
	return warnings
}
