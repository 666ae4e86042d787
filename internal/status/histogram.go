package status

import (
	"fmt"
	"io"
	"strconv"
	"sync"
)

// bounds are client_golang's defaults: a write to an API server takes 5 ms, and
// RENEW_DEADLINE is 10 s.
var bounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// histogram has cumulative buckets with an upper bound, le, as every Prometheus
// reads them. The library's own has ranges instead, which only VictoriaMetrics
// understands.
type histogram struct {
	name string

	mu     sync.Mutex
	counts [len(bounds) + 1]uint64 // not cumulative; the last has no bound
	sum    float64
}

func newHistogram(name string) *histogram { return &histogram{name: name} }

func (h *histogram) observe(value float64) {
	bucket := 0
	for bucket < len(bounds) && value > bounds[bucket] {
		bucket++
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[bucket]++
	h.sum += value
}

func (h *histogram) write(w io.Writer) {
	h.mu.Lock()
	counts, sum := h.counts, h.sum
	h.mu.Unlock()
	total := uint64(0)
	for i, count := range counts {
		total += count
		bound := "+Inf"
		if i < len(bounds) {
			bound = number(bounds[i])
		}
		_, _ = fmt.Fprintf(w, "%s_bucket{le=\"%s\"} %d\n", h.name, bound, total)
	}
	_, _ = fmt.Fprintf(w, "%s_sum %s\n%s_count %d\n", h.name, number(sum), h.name, total)
}

func number(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }
