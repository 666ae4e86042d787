{{/*
A scalar as the user wrote it. Helm reads numbers of a values file as floating
point and would print 12345678 as 1.2345678e+07; JSON does not.
*/}}
{{- define "k8s-await-election.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* A list of scalars as a list of texts. */}}
{{- define "k8s-await-election.texts" -}}
{{- range . }}
- {{ include "k8s-await-election.text" . | quote }}
{{- end }}
{{- end }}

{{/* A map without the keys that a later values file has set to null. */}}
{{- define "k8s-await-election.withoutNulls" -}}
{{- $kept := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $kept $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end }}

{{/* A reference to an image: dict "image" .Values.x.image "tag" the default. */}}
{{- define "k8s-await-election.image" -}}
{{- with .image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .image.repository -}}
{{- $tag := .tag -}}
{{- if not (has (toJson .image.tag) (list "null" "\"\"")) -}}
{{- $tag = include "k8s-await-election.text" .image.tag -}}
{{- end -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{- define "k8s-await-election.gateImage" -}}
{{- $tag := ternary "" (printf "v%s" .Chart.AppVersion) (not (empty .Values.gate.image.digest)) -}}
{{- include "k8s-await-election.image" (dict "image" .Values.gate.image "tag" $tag) -}}
{{- end }}

{{- define "k8s-await-election.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "string" . }}{{ quote . }}{{ else }}{{ quote .name }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Environment by name as a list: a text, or valueFrom. */}}
{{- define "k8s-await-election.env" -}}
{{- range $name, $value := . }}
{{- if kindIs "map" $value }}
- name: {{ $name | quote }}
  valueFrom:
    {{- toYaml $value.valueFrom | nindent 4 }}
{{- else if not (kindIs "invalid" $value) }}
- name: {{ $name | quote }}
  value: {{ include "k8s-await-election.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
