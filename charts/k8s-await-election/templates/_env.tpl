{{/*
The environment of the app's container. Behind a gate: the gate's, the app's, and
the probes. Beside a sidecar: where to ask it, unless the app has variables of these
names, and the app's.
*/}}
{{- define "k8s-await-election.appEnv" -}}
{{- $own := include "k8s-await-election.env" .Values.app.env | fromYamlArray -}}
{{- if include "k8s-await-election.gated" . }}
{{- include "k8s-await-election.environment" (dict "root" . "variables" (concat
      (include "k8s-await-election.electionEnv" . | fromYamlArray)
      $own
      (include "k8s-await-election.probeEnv" . | fromYamlArray))) }}
{{- else }}
{{- $asks := list (dict "name" "ELECTION_URL" "value" (printf "http://localhost:%d" (int .Values.gate.statusPort))) -}}
{{- with include "k8s-await-election.leaderFile" . -}}
{{- $asks = append $asks (dict "name" "ELECTION_FILE" "value" .) -}}
{{- end -}}
{{- range $asks }}
{{- if not (hasKey ($.Values.app.env | default dict) .name) }}
{{ toYaml (list .) }}
{{- end }}
{{- end }}
{{- with $own }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The environment of the container that k8s-await-election runs in: dict "root" $
"variables" […]. gate.extraEnv replaces what has the same name: a list that names a
variable twice is refused by server-side apply. One that is null there is as if it
were not: the chart's own stays.
*/}}
{{- define "k8s-await-election.environment" -}}
{{- $extra := .root.Values.gate.extraEnv | default dict -}}
{{- range .variables }}
{{- if kindIs "invalid" (index $extra .name) }}
{{ toYaml (list .) }}
{{- end }}
{{- end }}
{{- include "k8s-await-election.env" $extra }}
{{- end }}

{{- define "k8s-await-election.electionEnv" -}}
{{- $name := include "k8s-await-election.fullname" . -}}
{{- $gated := include "k8s-await-election.gated" . -}}
{{- if $gated }}
- name: K8S_AWAIT_ELECTION_ENABLED
  value: "1"
{{- end }}
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
{{- if $gated }}
- name: K8S_AWAIT_ELECTION_POD_IP
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: status.podIPs}}
- name: K8S_AWAIT_ELECTION_NODE_NAME
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: spec.nodeName}}
{{- end }}
- name: K8S_AWAIT_ELECTION_STATUS_ENDPOINT
  value: ":{{ int .Values.gate.statusPort }}"
{{- if $gated }}
- name: K8S_AWAIT_ELECTION_STOP_TIMEOUT
  value: {{ include "k8s-await-election.stopTimeout" . | quote }}
{{- end }}
{{- if include "k8s-await-election.publishes" . }}
- name: K8S_AWAIT_ELECTION_SERVICE_NAME
  value: {{ $name | quote }}
- name: K8S_AWAIT_ELECTION_SERVICE_PORTS_JSON
  value: {{ include "k8s-await-election.endpointPorts" . | quote }}
{{- end }}
{{- with include "k8s-await-election.roleLabel" . }}
- name: K8S_AWAIT_ELECTION_POD_LABEL
  value: {{ quote . }}
{{- end }}
{{- with .Values.sidecar.statusFile }}
- name: K8S_AWAIT_ELECTION_STATUS_FILE
  value: {{ quote . }}
{{- end }}
{{- with .Values.sidecar.statusDir }}
- name: K8S_AWAIT_ELECTION_STATUS_DIR
  value: {{ quote . }}
{{- end }}
{{- if .Values.sidecar.statusFileExpiry }}
- name: K8S_AWAIT_ELECTION_STATUS_FILE_EXPIRY
  value: "true"
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
