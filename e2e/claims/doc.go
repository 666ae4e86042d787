// Package claims watches from outside who claims to lead: by a leader file, or by
// `is_leader` over HTTP. It writes down each claim as a run on CLOCK_BOOTTIME, so
// that what is known of runs (overlaps, hand-overs) holds for claims too.
//
// It guarantees the order of what it reports of files, which is the kernel's: one
// inotify instance follows them all. Of HTTP it reports less than was claimed,
// never more: a claim lasts from the first answer that was received to the last
// request that was sent and answered with it.
//
// Its callers are the tests of e2e/sidecar and the benchmark. Linux only.
package claims
