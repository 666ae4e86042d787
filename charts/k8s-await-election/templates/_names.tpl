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

{{/*
The label that the gate keeps on its Pod, as KEY=VALUE of the leader. Its key is
this release's own: a gate takes it off all other Pods of the namespace.
*/}}
{{- define "k8s-await-election.roleLabel" -}}
k8s-await-election/{{ include "k8s-await-election.fullname" . }}=leader
{{- end }}

{{/* Path of the gate in the app's container. */}}
{{- define "k8s-await-election.binary" -}}
{{- if eq .Values.gate.delivery "baked" -}}
/k8s-await-election
{{- else -}}
{{ .Values.gate.mountPath | trimSuffix "/" }}/k8s-await-election
{{- end -}}
{{- end }}
