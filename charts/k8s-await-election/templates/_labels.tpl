{{/* What tells this release's Pods from all others. Never changes, as no selector may. */}}
{{- define "k8s-await-election.selectorLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of an object. commonLabels cannot replace the chart's own. */}}
{{- define "k8s-await-election.labels" -}}
{{- $labels := include "k8s-await-election.selectorLabels" . | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63) -}}
{{- with .Values.app.image.tag -}}
{{- $_ := set $labels "app.kubernetes.io/version" (include "k8s-await-election.text" . | trunc 63 | trimAll "-_.") -}}
{{- end -}}
{{- toYaml (merge $labels (include "k8s-await-election.withoutNulls" .Values.commonLabels | fromYaml)) -}}
{{- end }}

{{/*
Labels of a Pod. The chart's version is not among them: a new one would replace
Pods that it does not change.
*/}}
{{- define "k8s-await-election.podLabels" -}}
{{- $labels := include "k8s-await-election.selectorLabels" . | fromYaml -}}
{{- toYaml (merge $labels (include "k8s-await-election.withoutNulls" .Values.podLabels | fromYaml) (include "k8s-await-election.withoutNulls" .Values.commonLabels | fromYaml)) -}}
{{- end }}

{{/* metadata of an object: dict "root" $ "name" "other" "suffix" "-x" "annotations" {} "labels" {}; all but root may be missing. */}}
{{- define "k8s-await-election.metadata" -}}
name: {{ .name | default (printf "%s%s" (include "k8s-await-election.fullname" .root) (.suffix | default "")) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "k8s-await-election.labels" .root | fromYaml | merge (include "k8s-await-election.withoutNulls" .labels | fromYaml) | toYaml | nindent 2 }}
{{- with include "k8s-await-election.withoutNulls" .annotations | fromYaml }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
