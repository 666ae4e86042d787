{{/* Not the selector's: the Pod of the test is none of the release's Pods. */}}
{{- define "k8s-await-election.testLabels" -}}
app.kubernetes.io/name: "{{ .Values.nameOverride | default .Chart.Name }}-test"
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/*
The URL that the app's own readiness probe allows to ask through the Service; ""
where that is not HTTP, or not to be had by name and port alone.
*/}}
{{- define "k8s-await-election.appURL" -}}
{{- $get := (.Values.app.probes.readiness | default dict).httpGet | default dict -}}
{{- if and $get (not $get.host) (not $get.httpHeaders) (ne ($get.scheme | default "HTTP") "HTTPS") -}}
{{- $probe := include "k8s-await-election.probe" (dict "root" . "probe" .Values.app.probes.readiness) | fromJson -}}
{{- range include "k8s-await-election.servicePorts" . | fromJsonArray -}}
{{- if and (eq (int .containerPort) (int $probe.httpGet.port)) (eq .protocol "TCP") -}}
http://{{ include "k8s-await-election.fullname" $ }}:{{ int (ternary .containerPort .port (eq $.Values.service.headless true)) }}/{{ $get.path | default "" | trimPrefix "/" }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
