package probe_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/k8s-await-election/k8s-await-election/internal/status"
)

type leading struct{}

func (leading) Snapshot() status.Snapshot {
	return status.Snapshot{Holding: true, ExpiresIn: 1500 * time.Millisecond, Transitions: 3}
}

func TestMetrics_AreReadByPrometheus(t *testing.T) {
	t.Parallel()
	m := status.NewMetrics("v1\"\\\n")
	m.Renewed(3 * time.Millisecond)
	m.Renewed(time.Minute)
	m.RenewFailed("timeout")
	m.Acquired()
	m.ChildStarted()
	m.ChildExited(143)
	server := status.New(status.Options{Source: leading{}, Metrics: m, Identity: "pod-a", Logger: slog.New(slog.DiscardHandler)})
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))

	if format := expfmt.ResponseFormat(recorder.Header()); format.FormatType() != expfmt.TypeTextPlain {
		t.Errorf("the content type is read as %s", format)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		kind  dto.MetricType
		value float64
	}{
		"is_leader":               {dto.MetricType_GAUGE, 1},
		"lease_remaining_seconds": {dto.MetricType_GAUGE, 1.5},
		"transitions_total":       {dto.MetricType_COUNTER, 3},
		"acquisitions_total":      {dto.MetricType_COUNTER, 1},
		"renew_failures_total":    {dto.MetricType_COUNTER, 1},
		"child_starts_total":      {dto.MetricType_COUNTER, 1},
		"child_exits_total":       {dto.MetricType_COUNTER, 1},
		"build_info":              {dto.MetricType_GAUGE, 1},
		"renew_duration_seconds":  {dto.MetricType_HISTOGRAM, 2},
	} {
		family := families["k8s_await_election_"+name]
		if family == nil || len(family.Metric) != 1 {
			t.Errorf("%s: %v", name, family)
			continue
		}
		metric := family.Metric[0]
		value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		if family.GetType() != want.kind || value != want.value || family.GetHelp() == "" {
			t.Errorf("%s: %v", name, family)
		}
	}
}
