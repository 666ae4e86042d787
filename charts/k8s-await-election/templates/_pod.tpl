{{/* The Pod template of both kinds. */}}
{{- define "k8s-await-election.podTemplate" -}}
metadata:
  labels:
    {{- include "k8s-await-election.podLabels" . | nindent 4 }}
  annotations:
    {{- dict "kubectl.kubernetes.io/default-container" "app" | merge (include "k8s-await-election.withoutNulls" .Values.podAnnotations | fromYaml) | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "k8s-await-election.serviceAccountName" . | quote }}
  # The token is mounted below, and only where the gate runs.
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
  {{- if or (ne .Values.gate.delivery "baked") .Values.extraInitContainers }}
  initContainers:
    {{- if ne .Values.gate.delivery "baked" }}
    - {{ include "k8s-await-election.initContainer" . | nindent 6 | trim }}
    {{- end }}
    {{- with .Values.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - {{ include "k8s-await-election.appContainer" . | nindent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- if ne .Values.gate.delivery "baked" }}
    # On the node's disk: memory would be the Pod's as long as it lives, while
    # pages of a program on disk are given back when memory is short.
    - name: k8s-await-election
      emptyDir:
        sizeLimit: 64Mi
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

{{- define "k8s-await-election.initContainer" -}}
name: k8s-await-election
image: {{ include "k8s-await-election.gateImage" . | quote }}
{{- with .Values.gate.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
args: [--install, {{ .Values.gate.mountPath | quote }}]
{{- with .Values.gate.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $context := deepCopy (.Values.gate.securityContext | default dict) }}
{{- /* A Pod that runs as root would have this container refused. Else the user is the image's, or what OpenShift assigns. */}}
{{- if and (eq (include "k8s-await-election.uid" .Values.podSecurityContext) "0") $context.runAsNonRoot }}
{{- $context = merge $context (dict "runAsUser" 65532) }}
{{- end }}
{{- with $context }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: k8s-await-election
    mountPath: {{ .Values.gate.mountPath | quote }}
{{- end }}

{{- define "k8s-await-election.appContainer" -}}
{{- $app := .Values.app -}}
name: app
image: {{ include "k8s-await-election.image" (dict "image" $app.image "tag" "") | quote }}
{{- with $app.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
command:
  - {{ include "k8s-await-election.binary" . | quote }}
  {{- if hasPrefix "-" (first ($app.command | default list) | toString) }}
  - "--" # or the gate would take what follows for its own option
  {{- end }}
  {{- include "k8s-await-election.texts" $app.command | trim | nindent 2 }}
{{- with $app.args }}
args:
  {{- include "k8s-await-election.texts" . | trim | nindent 2 }}
{{- end }}
{{- with $app.workingDir }}
workingDir: {{ quote . }}
{{- end }}
env:
  {{- include "k8s-await-election.environment" . | trim | nindent 2 }}
{{- with $app.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- range include "k8s-await-election.appPorts" . | fromJsonArray }}
  - name: {{ quote .name }}
    containerPort: {{ int .containerPort }}
    protocol: {{ .protocol }}
  {{- end }}
  - name: gate-status
    containerPort: {{ int .Values.gate.statusPort }}
    protocol: TCP
{{- $readiness := $app.probes.readiness | default dict }}
{{- $liveness := $app.probes.liveness | default dict }}
{{- $startup := $app.probes.startup | default dict }}
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
{{- with $app.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $app.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- if ne .Values.gate.delivery "baked" }}
  - name: k8s-await-election
    mountPath: {{ .Values.gate.mountPath | quote }}
    readOnly: true
  {{- end }}
  - name: k8s-await-election-token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
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
{{- if hasKey (. | default dict) "runAsUser" }}{{ int64 .runAsUser }}{{ end -}}
{{- end }}
