package chart

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// podMonitor has those fields of monitoring.coreos.com/v1 that the chart may set,
// so that a misspelt one is found. The API server of the tests has no such kind.
type podMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector            metav1.LabelSelector `json:"selector"`
		PodMetricsEndpoints []struct {
			Port              string           `json:"port"`
			Path              string           `json:"path,omitempty"`
			Interval          string           `json:"interval,omitempty"`
			ScrapeTimeout     string           `json:"scrapeTimeout,omitempty"`
			Relabelings       []map[string]any `json:"relabelings,omitempty"`
			MetricRelabelings []map[string]any `json:"metricRelabelings,omitempty"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

const monitoring = "monitoring.coreos.com"

// DeepCopyObject is for the scheme; nothing here changes one.
func (p *podMonitor) DeepCopyObject() runtime.Object {
	c := *p
	return &c
}

func addPodMonitor(s *runtime.Scheme) error {
	s.AddKnownTypeWithName(schema.GroupVersionKind{Group: monitoring, Version: "v1", Kind: "PodMonitor"}, &podMonitor{})
	return nil
}
