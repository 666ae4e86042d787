package app

import (
	"errors"
	"syscall"

	"github.com/k8s-await-election/k8s-await-election/internal/child"
	"github.com/k8s-await-election/k8s-await-election/internal/config"
	"github.com/k8s-await-election/k8s-await-election/internal/kube"
	"github.com/k8s-await-election/k8s-await-election/internal/probe"
)

// parsed are the texts of the configuration that rooms have parsers for.
type parsed struct {
	liveness, readiness, startup *probe.Spec
	ports                        []kube.Port
	podLabel                     kube.PodLabel
	stopSignal                   syscall.Signal
}

// parse reads them all before it tells what is wrong.
func (t *parsed) parse(c *config.Config) error {
	var mistakes []error
	read := func(variable, text string, parse func() error) {
		if text != "" {
			mistakes = append(mistakes, c.Mistake(variable, parse()))
		}
	}
	read("LIVENESS_PROBE_JSON", c.LivenessProbeJSON, func() (err error) {
		t.liveness, err = probe.Parse(probe.Liveness, c.LivenessProbeJSON)
		return err
	})
	read("READINESS_PROBE_JSON", c.ReadinessProbeJSON, func() (err error) {
		t.readiness, err = probe.Parse(probe.Readiness, c.ReadinessProbeJSON)
		return err
	})
	read("STARTUP_PROBE_JSON", c.StartupProbeJSON, func() (err error) {
		t.startup, err = probe.Parse(probe.Startup, c.StartupProbeJSON)
		return err
	})
	read("STOP_SIGNAL", c.StopSignal, func() (err error) {
		t.stopSignal, err = child.ParseSignal(c.StopSignal)
		return err
	})
	read("SERVICE_PORTS_JSON", c.ServicePortsJSON, func() (err error) {
		t.ports, err = kube.ParsePorts(c.ServicePortsJSON)
		return err
	})
	read("POD_LABEL", c.PodLabel, func() (err error) {
		t.podLabel, err = kube.ParsePodLabel(c.PodLabel)
		return err
	})
	return errors.Join(mistakes...)
}
