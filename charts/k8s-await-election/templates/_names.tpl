{{/*
What things are called. The chart has no application of its own, so the objects
bear the release's name: `helm install redis` makes a Service `redis`. As a
dependency of another chart its name (or alias) is appended, for the parent's own
objects have the release's.

52 characters leave room for what is appended, and for the label in which a
StatefulSet puts its own name and a hash.
*/}}
{{- define "k8s-await-election.fullname" -}}
{{- $release := .Release.Name -}}
{{- $name := .Values.nameOverride | default (ternary "" .Chart.Name .Chart.IsRoot) -}}
{{- if .Values.fullnameOverride -}}
{{- $release = .Values.fullnameOverride -}}
{{- else if and $name (not (contains $name $release)) -}}
{{- $release = printf "%s-%s" $release $name -}}
{{- end -}}
{{- $release | replace "." "-" | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "k8s-await-election.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "k8s-await-election.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "k8s-await-election.leaseName" -}}
{{- .Values.election.leaseName | default (include "k8s-await-election.fullname" .) -}}
{{- end }}

{{/* Whether the app's command is behind the gate: "true", or "" beside a sidecar. */}}
{{- define "k8s-await-election.gated" -}}
{{- if eq (.Values.mode | default "gate") "gate" }}true{{ end -}}
{{- end }}

{{/* service.mode, or what is right where the user says nothing. */}}
{{- define "k8s-await-election.serviceMode" -}}
{{- .Values.service.mode | default (ternary "slices" "all" (eq (include "k8s-await-election.gated" .) "true")) -}}
{{- end }}

{{/*
The label that tells the leader's Pod from the others, as the user or the chart
writes it, KEY=LEADER/STANDBY; "" for none.
*/}}
{{- define "k8s-await-election.roleLabel" -}}
{{- if .Values.election.podLabel -}}
{{- .Values.election.podLabel -}}
{{- else if eq (include "k8s-await-election.serviceMode" .) "podLabel" -}}
k8s-await-election/{{ include "k8s-await-election.fullname" . }}=leader
{{- end -}}
{{- end }}

{{/* Its parts, as JSON: key, leader, standby. */}}
{{- define "k8s-await-election.roleLabelParts" -}}
{{- $both := splitn "=" 2 (include "k8s-await-election.roleLabel" .) -}}
{{- $values := splitn "/" 2 ($both._1 | default "leader") -}}
{{- dict "key" $both._0 "leader" $values._0 "standby" ($values._1 | default "standby") | toJson -}}
{{- end }}

{{/* The leader's label, for a selector. */}}
{{- define "k8s-await-election.leaderLabel" -}}
{{- $label := include "k8s-await-election.roleLabelParts" . | fromJson -}}
{{ $label.key }}: {{ $label.leader | quote }}
{{- end }}

{{/* Path of the file that is there while the Pod leads; "" for none. */}}
{{- define "k8s-await-election.leaderFile" -}}
{{- with .Values.sidecar.statusDir }}{{ clean . }}/leader{{ end -}}
{{- with .Values.sidecar.statusFile }}{{ . }}{{ end -}}
{{- end }}

{{/* Path of the gate in the app's container. */}}
{{- define "k8s-await-election.binary" -}}
{{- if eq .Values.gate.delivery "baked" -}}
/k8s-await-election
{{- else -}}
{{ .Values.gate.mountPath | trimSuffix "/" }}/k8s-await-election
{{- end -}}
{{- end }}
