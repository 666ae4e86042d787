{{/*
The user's probe with numeric ports, as JSON: dict "root" $ "probe" {…}. What the
user cannot mean is refused by k8s-await-election.mistakes; here it becomes 0.
*/}}
{{- define "k8s-await-election.probe" -}}
{{- $numbers := dict -}}
{{- range include "k8s-await-election.appPorts" .root | fromJsonArray -}}
{{- $_ := set $numbers .name (int .containerPort) -}}
{{- end -}}
{{- $probe := deepCopy .probe -}}
{{- range list "httpGet" "tcpSocket" "grpc" -}}
{{- with get $probe . -}}
{{- $port := include "k8s-await-election.text" .port -}}
{{- $_ := set . "port" (ternary (int $port) (get $numbers $port | default 0) (regexMatch "^[0-9]+$" $port)) -}}
{{- range .httpHeaders -}}
{{- $_ := set . "value" (include "k8s-await-election.text" .value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $probe.exec -}}
{{- $command := list -}}
{{- range .command -}}
{{- $command = append $command (include "k8s-await-election.text" .) -}}
{{- end -}}
{{- $_ := set . "command" $command -}}
{{- end -}}
{{- toRawJson $probe -}}
{{- end }}

{{/*
The variable with a probe for the gate: dict "root" $ "name" "READINESS" "probe" {…}.

In the value of a variable the kubelet replaces $(NAME), and $$ by $. A value with a
quote would make the JSON none, so that is not left to it; the gate does the same
in the command of an exec probe.
*/}}
{{- define "k8s-await-election.probeVariable" -}}
{{- if .probe -}}
- name: K8S_AWAIT_ELECTION_{{ .name }}_PROBE_JSON
  value: {{ include "k8s-await-election.probe" . | replace "$" "$$" | quote }}
{{- end -}}
{{- end }}

{{/* The kubelet's probes of an app behind the gate: it asks the gate. */}}
{{- define "k8s-await-election.gateProbes" -}}
{{- $readiness := .Values.app.probes.readiness | default dict }}
{{- $liveness := .Values.app.probes.liveness | default dict }}
{{- $startup := .Values.app.probes.startup | default dict }}
{{- $status := int .Values.gate.statusPort }}
{{- with $startup }}
startupProbe:
  {{- include "k8s-await-election.kubeletProbe" (dict "path" "/startupz" "port" $status "probe" . "timeout" (.timeoutSeconds | default 1)) | nindent 2 }}
{{- end }}
readinessProbe:
  {{- include "k8s-await-election.kubeletProbe" (dict "path" "/readyz" "port" $status "probe" $readiness "timeout" ($readiness.timeoutSeconds | default 1)) | nindent 2 }}
livenessProbe:
  {{- /* After an election /livez runs the startup probe until that has passed. */}}
  {{- include "k8s-await-election.kubeletProbe" (dict "path" "/livez" "port" $status "probe" $liveness "timeout" (max ($liveness.timeoutSeconds | default 1) ($startup.timeoutSeconds | default 1))) | nindent 2 }}
{{- end }}

{{/* Those of an app beside a sidecar: as the user wrote them. */}}
{{- define "k8s-await-election.ownProbes" -}}
{{- range $field, $probe := dict "startupProbe" .Values.app.probes.startup "readinessProbe" .Values.app.probes.readiness "livenessProbe" .Values.app.probes.liveness }}
{{- if $probe }}
{{ $field }}:
  {{- include "k8s-await-election.probe" (dict "root" $ "probe" $probe) | fromJson | toYaml | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The probe that the kubelet runs: dict "path" "/readyz" "port" 9999 "probe" {…}
"timeout" 1, the longest that the gate may take with the app. Period and
thresholds are the user's; the delay is the gate's, which counts it from the start
of the command.
*/}}
{{- define "k8s-await-election.kubeletProbe" -}}
httpGet:
  path: {{ .path }}
  port: {{ int .port }}
timeoutSeconds: {{ add1 .timeout }}
{{- $probe := .probe }}
{{- range $field := list "periodSeconds" "successThreshold" "failureThreshold" "terminationGracePeriodSeconds" }}
{{- with get $probe $field }}
{{ $field }}: {{ int . }}
{{- end }}
{{- end }}
{{- end }}
