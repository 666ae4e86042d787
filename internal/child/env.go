package child

import "strings"

// merge returns the variables of base and extra. A key of extra takes the place
// of the same key in base: with both, most programs would read the first.
func merge(base, extra []string) []string {
	replaced := make(map[string]bool, len(extra))
	for _, entry := range extra {
		key, _, _ := strings.Cut(entry, "=")
		replaced[key] = true
	}
	merged := make([]string, 0, len(base)+len(extra))
	for _, entry := range base {
		if key, _, _ := strings.Cut(entry, "="); !replaced[key] {
			merged = append(merged, entry)
		}
	}
	return append(merged, extra...)
}
