{{/*
What the two forms have in common: the init container that brings the gate, and the
sidecar.
*/}}
{{- define "k8s-await-election.ownContainer" -}}
name: k8s-await-election
image: {{ include "k8s-await-election.gateImage" . | quote }}
{{- with .Values.gate.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
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
{{- end }}

{{- define "k8s-await-election.tokenMount" -}}
- name: k8s-await-election-token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{/* Whether the gate is copied into a volume of the Pod: "true" or "". */}}
{{- define "k8s-await-election.installed" -}}
{{- if and (include "k8s-await-election.gated" .) (ne .Values.gate.delivery "baked") }}true{{ end -}}
{{- end }}

{{- define "k8s-await-election.installer" -}}
{{ include "k8s-await-election.ownContainer" . }}
args: [--install, {{ .Values.gate.mountPath | quote }}]
volumeMounts:
  - name: k8s-await-election
    mountPath: {{ .Values.gate.mountPath | quote }}
{{- end }}

{{/*
k8s-await-election beside the app: an init container that goes on. The app starts
once the lock has been read, and ends before it.
*/}}
{{- define "k8s-await-election.sidecar" -}}
{{- $status := int .Values.gate.statusPort -}}
{{ include "k8s-await-election.ownContainer" . }}
restartPolicy: Always
env:
  {{- include "k8s-await-election.environment" (dict "root" . "variables" (include "k8s-await-election.electionEnv" . | fromYamlArray)) | trim | nindent 2 }}
ports:
  {{- include "k8s-await-election.statusPort" . | nindent 2 }}
startupProbe:
  httpGet:
    path: /readyz
    port: {{ $status }}
  periodSeconds: 1
  timeoutSeconds: 2
  # Ten minutes without an API server: then a new start, with the time between two
  # growing, would only make the app's start later.
  failureThreshold: 600
# No readiness probe: an API server that is away is no reason to lead clients away
# from the app.
livenessProbe:
  httpGet:
    path: /livez
    port: {{ $status }}
  timeoutSeconds: 2
volumeMounts:
  {{- include "k8s-await-election.tokenMount" . | nindent 2 }}
  {{- with include "k8s-await-election.leaderFile" . }}
  - name: k8s-await-election-status
    mountPath: {{ dir . | quote }}
  {{- end }}
{{- end }}
