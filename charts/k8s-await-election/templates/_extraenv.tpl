{{/*
gate.extraEnv is for what the chart has no key of its own for: rights, names and
probes follow the keys. Two variables may say what the chart says otherwise: those
of the Pod's address and node, for networks that the API does not know.
*/}}
{{- define "k8s-await-election.extraEnvMistakes" -}}
{{- $mistakes := list -}}
{{- $keys := dict
      "NAME" "fullnameOverride=shop"
      "LOCK_NAME" "election.leaseName=shop"
      "SERVICE_NAME" "fullnameOverride=shop"
      "SERVICE_PORTS_JSON" "app.ports.http=8080"
      "POD_LABEL" "election.podLabel=example.org/role"
      "STATUS_ENDPOINT" "gate.statusPort=9999"
      "LEASE_DURATION" "election.leaseDuration=15s"
      "RENEW_DEADLINE" "election.renewDeadline=10s"
      "RETRY_PERIOD" "election.retryPeriod=2s"
      "ON_LOST" "election.onLost=standby"
      "STOP_SIGNAL" "app.stopSignal=QUIT"
      "STATUS_FILE" "sidecar.statusFile=/run/election/leader"
      "STATUS_DIR" "sidecar.statusDir=/run/election"
      "STATUS_FILE_EXPIRY" "sidecar.statusFileExpiry=true"
      "READINESS_PROBE_JSON" "app.probes.readiness.tcpSocket.port=6379"
      "LIVENESS_PROBE_JSON" "app.probes.liveness.tcpSocket.port=6379"
      "STARTUP_PROBE_JSON" "app.probes.startup.tcpSocket.port=6379"
      "LOG_LEVEL" "gate.log.level=debug"
      "LOG_FORMAT" "gate.log.format=json" -}}
{{- $fixed := dict
      "LOCK_NAMESPACE" "the Lease is in the release's namespace, where the rights are (helm --namespace)"
      "SERVICE_NAMESPACE" "the Service is in the release's namespace, where the rights are (helm --namespace)"
      "LOCK_TYPE" "the lock is a Lease, which the rights are for"
      "LOCK_DIR" "the lock is a Lease"
      "IDENTITY" "it is the Pod's name, which no other Pod has"
      "POD_NAME" "it is the Pod's own"
      "POD_NAMESPACE" "it is the Pod's own"
      "POD_UID" "it is the Pod's own, and tells whether a lease is its own" -}}
{{- range $name, $value := .Values.gate.extraEnv -}}
{{- $variable := trimPrefix "K8S_AWAIT_ELECTION_" $name -}}
{{- if or (kindIs "invalid" $value) (eq $variable $name) -}}
{{- else if hasKey $keys $variable -}}
{{- $mistakes = append $mistakes (printf "gate.extraEnv.%s is refused: there is a key for it, %s, which rights and the rest of the chart follow. Example: --set gate.extraEnv.%s=null --set %s" $name (splitn "=" 2 (get $keys $variable))._0 $name (get $keys $variable)) -}}
{{- else if hasKey $fixed $variable -}}
{{- $mistakes = append $mistakes (printf "gate.extraEnv.%s is refused: %s. Leave it out. Example: --set gate.extraEnv.%s=null" $name (get $fixed $variable) $name) -}}
{{- else if and (eq $variable "ENABLED") (not (include "k8s-await-election.gated" $)) (ne (toString $value) "") -}}
{{- $mistakes = append $mistakes (printf "gate.extraEnv.%s goes with the mode gate: the sidecar has no command to start. Example: --set gate.extraEnv.%s=null" $name $name) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}

{{/* Names and places of the variables of both maps. */}}
{{- define "k8s-await-election.envMistakes" -}}
{{- $mistakes := list -}}
{{- range $key, $variables := dict "app.env" .Values.app.env "gate.extraEnv" .Values.gate.extraEnv -}}
{{- range $name, $value := $variables -}}
{{- if not (regexMatch "^[ -<>-~]+$" $name) -}}
{{- $mistakes = append $mistakes (printf "%s.%s: the name of a variable has printable ASCII characters, and no \"=\". Example: %s.A_NAME: a value" $key $name $key) -}}
{{- else if and (eq $key "app.env") (hasPrefix "K8S_AWAIT_ELECTION_" $name) (not (kindIs "invalid" $value)) -}}
{{- $mistakes = append $mistakes (printf "app.env.%s is a variable of the gate. What has no key of its own is set in gate.extraEnv. Example: --set app.env.%s=null" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if include "k8s-await-election.gated" . -}}
{{- range $name, $value := .Values.app.env -}}
{{- if not (or (kindIs "invalid" $value) (kindIs "invalid" (index ($.Values.gate.extraEnv | default dict) $name))) -}}
{{- $mistakes = append $mistakes (printf "app.env.%s is in gate.extraEnv too. Leave one of them out; both are the same container's. Example: --set gate.extraEnv.%s=null" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (concat $mistakes (include "k8s-await-election.extraEnvMistakes" . | fromJsonArray)) -}}
{{- end }}

{{/* "true" where an empty ENABLED lets the command run in every Pod. */}}
{{- define "k8s-await-election.off" -}}
{{- $enabled := index (.Values.gate.extraEnv | default dict) "K8S_AWAIT_ELECTION_ENABLED" -}}
{{- if and (include "k8s-await-election.gated" .) (kindIs "string" $enabled) (eq (toString $enabled) "") -}}
true
{{- end -}}
{{- end }}
