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

In the value of a variable the kubelet replaces $(NAME), and $$ by $. In the
command of an exec probe it would do the same, so that is left to it; in all else
it would not.
*/}}
{{- define "k8s-await-election.probeVariable" -}}
{{- if .probe -}}
{{- $json := include "k8s-await-election.probe" . -}}
- name: K8S_AWAIT_ELECTION_{{ .name }}_PROBE_JSON
  value: {{ ternary $json (replace "$" "$$" $json) (hasKey .probe "exec") | quote }}
{{- end -}}
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
