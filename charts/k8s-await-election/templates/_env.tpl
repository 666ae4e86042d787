{{/*
The environment of the app's container: the gate's, the app's, and then the
probes, whose exec commands may refer to the app's. gate.extraEnv replaces what
has the same name: a list that names a variable twice is refused by server-side
apply.
*/}}
{{- define "k8s-await-election.environment" -}}
{{- $extra := .Values.gate.extraEnv | default dict -}}
{{- range concat
      (include "k8s-await-election.gateEnv" . | fromYamlArray)
      (include "k8s-await-election.env" .Values.app.env | fromYamlArray)
      (include "k8s-await-election.probeEnv" . | fromYamlArray) }}
{{- if not (hasKey $extra .name) }}
{{ toYaml (list .) }}
{{- end }}
{{- end }}
{{- include "k8s-await-election.env" $extra }}
{{- end }}

{{- define "k8s-await-election.gateEnv" -}}
{{- $name := include "k8s-await-election.fullname" . -}}
- name: K8S_AWAIT_ELECTION_ENABLED
  value: "1"
- name: K8S_AWAIT_ELECTION_NAME
  value: {{ $name | quote }}
- name: K8S_AWAIT_ELECTION_LOCK_NAME
  value: {{ include "k8s-await-election.leaseName" . | quote }}
- name: K8S_AWAIT_ELECTION_LOCK_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
- name: K8S_AWAIT_ELECTION_IDENTITY
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
- name: K8S_AWAIT_ELECTION_POD_NAME
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
- name: K8S_AWAIT_ELECTION_POD_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
- name: K8S_AWAIT_ELECTION_POD_UID
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.uid}}
- name: K8S_AWAIT_ELECTION_POD_IP
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: status.podIPs}}
- name: K8S_AWAIT_ELECTION_NODE_NAME
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: spec.nodeName}}
- name: K8S_AWAIT_ELECTION_STATUS_ENDPOINT
  value: ":{{ int .Values.gate.statusPort }}"
- name: K8S_AWAIT_ELECTION_STOP_TIMEOUT
  value: {{ include "k8s-await-election.stopTimeout" . | quote }}
{{- if include "k8s-await-election.publishes" . }}
- name: K8S_AWAIT_ELECTION_SERVICE_NAME
  value: {{ $name | quote }}
- name: K8S_AWAIT_ELECTION_SERVICE_PORTS_JSON
  value: {{ include "k8s-await-election.endpointPorts" . | quote }}
{{- end }}
{{- if eq .Values.service.mode "podLabel" }}
- name: K8S_AWAIT_ELECTION_POD_LABEL
  value: {{ include "k8s-await-election.roleLabel" . | quote }}
{{- end }}
{{- with .Values.app.stopSignal }}
- name: K8S_AWAIT_ELECTION_STOP_SIGNAL
  value: {{ include "k8s-await-election.text" . | quote }}
{{- end }}
{{- range $variable, $value := dict
      "LEASE_DURATION" .Values.election.leaseDuration
      "RENEW_DEADLINE" .Values.election.renewDeadline
      "RETRY_PERIOD" .Values.election.retryPeriod
      "ON_LOST" .Values.election.onLost
      "LOG_LEVEL" (.Values.gate.log).level
      "LOG_FORMAT" (.Values.gate.log).format }}
{{- with $value }}
- name: K8S_AWAIT_ELECTION_{{ $variable }}
  value: {{ include "k8s-await-election.text" . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "k8s-await-election.probeEnv" -}}
{{- with .Values.app.probes }}
{{- range $name, $probe := dict "READINESS" .readiness "LIVENESS" .liveness "STARTUP" .startup }}
{{ include "k8s-await-election.probeVariable" (dict "root" $ "name" $name "probe" $probe) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
How long the app has to end. After the grace period the kubelet kills all, and
the next Pod would wait for the lease to run out; five seconds are for killing the
app ourselves and handing over. Half a second is the least to try.
*/}}
{{- define "k8s-await-election.stopTimeout" -}}
{{- $grace := int (.Values.terminationGracePeriodSeconds | default 30) -}}
{{- if gt $grace 5 }}{{ sub $grace 5 }}{{ else }}500ms{{ end -}}
{{- end }}
