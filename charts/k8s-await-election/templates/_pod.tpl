{{/* The Pod template of both kinds. */}}
{{- define "k8s-await-election.podTemplate" -}}
metadata:
  labels:
    {{- include "k8s-await-election.podLabels" . | nindent 4 }}
  annotations:
    {{- dict "kubectl.kubernetes.io/default-container" "app" | merge (include "k8s-await-election.withoutNulls" .Values.podAnnotations | fromYaml) | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "k8s-await-election.serviceAccountName" . | quote }}
  # The token is mounted below, and only where it is needed.
  automountServiceAccountToken: false
  {{- with include "k8s-await-election.imagePullSecrets" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int (.Values.terminationGracePeriodSeconds | default 30) }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ quote . }}
  {{- end }}
  {{- with include "k8s-await-election.withoutNulls" .Values.nodeSelector | fromYaml }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "k8s-await-election.spread" . | fromYamlArray }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "k8s-await-election.withoutNulls" .Values.podSpec | fromYaml }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- $installed := include "k8s-await-election.installed" . }}
  {{- $gated := include "k8s-await-election.gated" . }}
  {{- if or $installed (not $gated) .Values.extraInitContainers }}
  initContainers:
    {{- if $installed }}
    - {{ include "k8s-await-election.installer" . | nindent 6 | trim }}
    {{- end }}
    {{- with .Values.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if not $gated }}
    # The last one: a Pod whose app is about to start stands for election, and no
    # other.
    - {{ include "k8s-await-election.sidecar" . | nindent 6 | trim }}
    {{- end }}
  {{- end }}
  containers:
    - {{ include "k8s-await-election.appContainer" . | nindent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- if $installed }}
    # On the node's disk: memory would be the Pod's as long as it lives, while
    # pages of a program on disk are given back when memory is short.
    - name: k8s-await-election
      emptyDir:
        sizeLimit: 64Mi
    {{- end }}
    {{- if include "k8s-await-election.leaderFile" . }}
    # In memory: no disk that hangs keeps the file from going away.
    - name: k8s-await-election-status
      emptyDir:
        medium: Memory
        sizeLimit: 1Mi
    {{- end }}
    # What automounting would mount, but for one container.
    - name: k8s-await-election-token
      projected:
        sources:
          - serviceAccountToken:
              path: token
              expirationSeconds: 3607
          - configMap:
              name: kube-root-ca.crt
              items:
                - {key: ca.crt, path: ca.crt}
          - downwardAPI:
              items:
                - path: namespace
                  fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "k8s-await-election.appContainer" -}}
{{- $app := .Values.app -}}
{{- $gated := include "k8s-await-election.gated" . -}}
name: app
image: {{ include "k8s-await-election.image" (dict "image" $app.image "tag" "") | quote }}
{{- with $app.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- if $gated }}
command:
  - {{ include "k8s-await-election.binary" . | quote }}
  {{- if hasPrefix "-" (first ($app.command | default list) | toString) }}
  - "--" # or the gate would take what follows for its own option
  {{- end }}
  {{- include "k8s-await-election.texts" $app.command | trim | nindent 2 }}
{{- else if $app.command }}
command:
  {{- include "k8s-await-election.texts" $app.command | trim | nindent 2 }}
{{- end }}
{{- with $app.args }}
args:
  {{- include "k8s-await-election.texts" . | trim | nindent 2 }}
{{- end }}
{{- with $app.workingDir }}
workingDir: {{ quote . }}
{{- end }}
{{- with include "k8s-await-election.appEnv" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with $app.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $ports := include "k8s-await-election.appPorts" . | fromJsonArray }}
{{- if or $gated $ports }}
ports:
  {{- range $ports }}
  - name: {{ quote .name }}
    containerPort: {{ int .containerPort }}
    protocol: {{ .protocol }}
  {{- end }}
  {{- if $gated }}
  {{- include "k8s-await-election.statusPort" . | nindent 2 }}
  {{- end }}
{{- end }}
{{- include (ternary "k8s-await-election.gateProbes" "k8s-await-election.ownProbes" (eq $gated "true")) . }}
{{- if not $gated }}
{{- with $app.lifecycle }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $app.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $app.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "k8s-await-election.appMounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "k8s-await-election.appMounts" -}}
{{- if include "k8s-await-election.gated" . }}
{{- if include "k8s-await-election.installed" . }}
- name: k8s-await-election
  mountPath: {{ .Values.gate.mountPath | quote }}
  readOnly: true
{{- end }}
{{ include "k8s-await-election.tokenMount" . }}
{{- else }}
{{- with include "k8s-await-election.leaderFile" . }}
- name: k8s-await-election-status
  mountPath: {{ dir . | quote }}
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "k8s-await-election.statusPort" -}}
- name: gate-status
  containerPort: {{ int .Values.gate.statusPort }}
  protocol: TCP
{{- end }}

{{/*
A constraint without a selector is about this release's Pods, and about those of
one revision: else a rollout would count the Pods that are about to go.
*/}}
{{- define "k8s-await-election.spread" -}}
{{- $selector := dict "matchLabels" (include "k8s-await-election.selectorLabels" . | fromYaml) -}}
{{- $own := dict "labelSelector" $selector -}}
{{- if eq .Values.kind "Deployment" -}}
{{- $_ := set $own "matchLabelKeys" (list "pod-template-hash") -}}
{{- end -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $constraints = append $constraints (ternary . (merge dict . $own) (hasKey . "labelSelector")) -}}
{{- end -}}
{{- toYaml $constraints -}}
{{- end }}

{{/* runAsUser of a security context as a text; "" where there is none. */}}
{{- define "k8s-await-election.uid" -}}
{{- if not (kindIs "invalid" (index (. | default dict) "runAsUser")) }}{{ int64 .runAsUser }}{{ end -}}
{{- end }}
