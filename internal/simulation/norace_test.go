//go:build !race

package simulation

// slower is by what the race detector makes a schedule take longer.
const slower = 1
