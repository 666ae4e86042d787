package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is one line of the table: what the issue that set the figures says of it,
// and how a tool's samples are written.
type row struct {
	figure  string
	linbit  string // measured
	reach   string
	samples string // the row is there if any tool has these
	cell    func(*Result) string
}

func rows(s Settings) []row {
	minute := "a minute"
	if s.Idle != defaultIdle {
		minute = s.Idle.String()
	}
	var crowds []row
	for _, size := range s.Crowds {
		crowds = append(crowds, row{fmt.Sprintf("TERM to the leader of %d candidates: old child's last sign → next child's start", size), "", "≤ 30 ms at 500", crowdGap(size), func(r *Result) string {
			return spread(r.Samples[crowdGap(size)])
		}}, row{fmt.Sprintf("failed writes in such a hand-over among %d, by all", size), "", "≤ 5 at 500", crowdFailed(size), func(r *Result) string {
			return counts(r.Samples[crowdFailed(size)])
		}})
	}
	for _, size := range s.Crowds {
		for _, k := range []struct {
			kind
			figure, reach string
		}{
			{electors, "the Lease released by one of %d candidates, all in one process → next term", "≤ 30 ms, ≤ 5 failed writes at 500"},
			{naive, "the same, if all %d write as soon as they see it", ""},
		} {
			crowds = append(crowds, row{fmt.Sprintf(k.figure, size), "", k.reach, k.gap(size), func(r *Result) string {
				return fmt.Sprintf("%s; failed writes, by all: %s", spread(r.Samples[k.gap(size)]), counts(r.Samples[k.failed(size)]))
			}})
		}
	}
	return withShort(append([]row{
		{"TERM to the leader: old child's last sign → next child's start", "17.0 s, child not ended gracefully", "≤ 20 ms, child ended gracefully", termGap, func(r *Result) string {
			return spread(r.Samples[termGap]) + ", child ended gracefully in " + share(r.Samples[termGraceful])
		}},
		{"leader's child killed → next child's start", "15.9 s", "≤ 20 ms", childGap, func(r *Result) string {
			return spread(r.Samples[childGap])
		}},
		{"gate killed → next child's start, beyond lease expiry", "up to 4.4 s", "≤ 30 ms", gateBeyond, func(r *Result) string {
			return spread(r.Samples[gateBeyond])
		}},
		{"requests a standby sends in " + minute + " while nothing happens", "23 GETs a minute", "0, watch renewals aside", idleRequests, func(r *Result) string {
			return fmt.Sprintf("%.0f (watches begun: %.0f), %.1f kB, %.0f ms of CPU",
				median(r.Samples[idleRequests]), median(r.Samples[idleWatches]), median(r.Samples[standbyBytes])/1e3, median(r.Samples[standbyCPU]))
		}},
		{"requests the leader sends in " + minute + " while nothing happens", "", "", leaderRequests, func(r *Result) string {
			return fmt.Sprintf("%.0f, %.1f kB, %.0f ms of CPU", median(r.Samples[leaderRequests]), median(r.Samples[leaderBytes])/1e3, median(r.Samples[leaderCPU]))
		}},
		{"CPU time of kube-apiserver in " + minute + ", with these and all other replicas idle", "", "", serverCPU, func(r *Result) string {
			return fmt.Sprintf("%.0f ms", median(r.Samples[serverCPU]))
		}},
		{"resident memory, standby", "21.7 MB", "≤ 12 MB", standbyRSS, func(r *Result) string {
			return fmt.Sprintf("%s (anonymous: %s)", megabytes(r.Samples[standbyRSS]), megabytes(r.Samples[standbyAnon]))
		}},
		{"resident memory, leader", "", "", leaderRSS, func(r *Result) string {
			return fmt.Sprintf("%s (anonymous: %s)", megabytes(r.Samples[leaderRSS]), megabytes(r.Samples[leaderAnon]))
		}},
		{"binary, stripped", "26.2 MB", "≤ 13 MB", binarySize, func(r *Result) string {
			if median(r.Samples[binarySymbol]) > 0 {
				return megabytes(r.Samples[binarySize]) + ", not stripped"
			}
			return megabytes(r.Samples[binarySize])
		}},
		{"leader black-holed from the API: two children at once for", "4.9–5.8 s", "never", cutOverlap, func(r *Result) string {
			return atOnce(r.Samples[cutOverlap])
		}},
		{"leader black-holed from the API: next child's start, beyond lease expiry", "", "", cutBeyond, func(r *Result) string {
			return spread(r.Samples[cutBeyond])
		}},
		{"API server away for longer than the lease: it answers again → next child's start", "", "", outageGap, func(r *Result) string {
			return spread(r.Samples[outageGap])
		}},
		{"API server away for longer than the lease: old child dead before lease expiry by", "", "always", outageSpare, func(r *Result) string {
			return spread(r.Samples[outageSpare])
		}},
		{"start of an only candidate's child, beyond a bare exec", "", "≤ 15 ms", elected, func(r *Result) string {
			return spread(r.Samples[elected])
		}},
		{"start of the child with the election off, beyond a bare exec", "", "", startup, func(r *Result) string {
			return spread(r.Samples[startup])
		}},
		{"two children at once, in all the other runs", "", "never", otherOverlap, func(r *Result) string {
			return atOnce(r.Samples[otherOverlap])
		}},
		{"sidecar, TERM to the leader → another one answers is_leader: true", "10.2 s (k8s-elector's)", "≤ 20 ms", sidecarTerm, func(r *Result) string {
			return spread(r.Samples[sidecarTerm])
		}},
		{"sidecar killed and started again in its Pod → it answers is_leader: true", "", "", sidecarAgain, func(r *Result) string {
			return spread(r.Samples[sidecarAgain])
		}},
		{"sidecar, resident memory", "", "≤ 12 MB", sidecarLeaderRSS, func(r *Result) string {
			return fmt.Sprintf("leader %s, standby %s", megabytes(r.Samples[sidecarLeaderRSS]), megabytes(r.Samples[sidecarStandbyRSS]))
		}},
		{"sidecars, two answers is_leader: true at once (TERM, KILL, black hole, STOP)", "", "never", sidecarHTTP, func(r *Result) string {
			return atOnce(r.Samples[sidecarHTTP])
		}},
		{"sidecars, two leader files at once (TERM, KILL, black hole)", "", "never", sidecarFile, func(r *Result) string {
			return atOnce(r.Samples[sidecarFile])
		}},
		{"sidecar, leader file of a stopped process: until it goes on, and then for", "", "", sidecarStopped, func(r *Result) string {
			return spread(r.Samples[sidecarStopped])
		}},
		{fmt.Sprintf("%d leaders at once: lock requests a second", s.Leases), "", "", manyRequests, func(r *Result) string {
			return fmt.Sprintf("%.1f; kube-apiserver keeps %.2f cores busy, a gate uses %.0f ms a minute",
				median(r.Samples[manyRequests]), median(r.Samples[manyServer]), median(r.Samples[manyGate]))
		}},
	}, slices.Concat(soakRows(s), crowds)...), s.Short)
}

// markdown is the table of all results.
func markdown(s Settings, results []*Result) string {
	var b strings.Builder
	b.WriteString("| figure | LINBIT's, measured | reach |")
	for _, r := range results {
		fmt.Fprintf(&b, " %s |", escape(r.Tool))
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(results)) + "\n")
	for _, row := range rows(s) {
		if !slices.ContainsFunc(results, func(r *Result) bool { return len(r.Samples[row.samples]) > 0 }) {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s |", row.figure, row.linbit, row.reach)
		for _, r := range results {
			cell := "–"
			if len(r.Samples[row.samples]) > 0 {
				cell = row.cell(r)
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// spread is the median with the least and the greatest of the samples.
func spread(samples []float64) string {
	if len(samples) == 1 {
		return span(samples[0])
	}
	return fmt.Sprintf("%s (%s – %s)", span(median(samples)), span(slices.Min(samples)), span(slices.Max(samples)))
}

// counts is spread for samples without a unit.
func counts(samples []float64) string {
	return fmt.Sprintf("%.0f (%.0f – %.0f)", median(samples), slices.Min(samples), slices.Max(samples))
}

// share counts the runs in which something was so.
func share(samples []float64) string {
	sum := 0.0
	for _, sample := range samples {
		sum += sample
	}
	return fmt.Sprintf("%.0f of %d", sum, len(samples))
}

func atOnce(samples []float64) string {
	var overlaps []float64
	for _, sample := range samples {
		if sample > 0 {
			overlaps = append(overlaps, sample)
		}
	}
	if len(overlaps) == 0 {
		return fmt.Sprintf("never (%d runs)", len(samples))
	}
	return fmt.Sprintf("%s in %d of %d runs", spread(overlaps), len(overlaps), len(samples))
}

// megabytes are millions of bytes.
func megabytes(samples []float64) string {
	return fmt.Sprintf("%.1f MB", median(samples)/1e6)
}

func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
