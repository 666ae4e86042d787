{{/*
The ports of app.ports as a JSON list, sorted by name: name, containerPort,
protocol, appProtocol ("" for none).
*/}}
{{- define "k8s-await-election.appPorts" -}}
{{- $ports := list -}}
{{- range $name, $port := .Values.app.ports -}}
{{- if not (kindIs "invalid" $port) -}}
{{- $port = ternary $port (dict "containerPort" $port) (kindIs "map" $port) -}}
{{- $ports = append $ports (dict
      "name" $name
      "containerPort" (int $port.containerPort)
      "protocol" ($port.protocol | default "TCP")
      "appProtocol" ($port.appProtocol | default "")) -}}
{{- end -}}
{{- end -}}
{{- toJson $ports -}}
{{- end }}

{{/*
The ports of the Service likewise, with `port` and `nodePort` (0 for none) besides.
Empty where there is to be no Service, so that it is false in an `if` once it was
read by fromJsonArray.
*/}}
{{- define "k8s-await-election.servicePorts" -}}
{{- $ports := list -}}
{{- if .Values.service.enabled -}}
{{- range include "k8s-await-election.appPorts" . | fromJsonArray -}}
{{- $own := get ($.Values.service.ports | default dict) .name -}}
{{- if not (and (kindIs "bool" $own) (not $own)) -}}
{{- $own = ternary $own (dict "port" $own) (kindIs "map" $own) -}}
{{- $ports = append $ports (merge (dict
      "port" (int ($own.port | default .containerPort))
      "nodePort" (int ($own.nodePort | default 0))) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $ports -}}
{{- end }}

{{/* SERVICE_PORTS_JSON: the ports that clients of the Service reach in the Pod. */}}
{{- define "k8s-await-election.endpointPorts" -}}
{{- $ports := list -}}
{{- range include "k8s-await-election.servicePorts" . | fromJsonArray -}}
{{- $port := dict "name" .name "port" (int .containerPort) "protocol" .protocol -}}
{{- with .appProtocol }}{{ $_ := set $port "appProtocol" . }}{{ end -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- toRawJson $ports -}}
{{- end }}

{{/*
Whether the leader makes an Endpoints object where there is none: "true" or "". What
it is told by a ConfigMap, say, cannot be seen here.
*/}}
{{- define "k8s-await-election.createsEndpoints" -}}
{{- $told := index (.Values.gate.extraEnv | default dict) "K8S_AWAIT_ELECTION_SERVICE_PUBLISH" -}}
{{- if and (include "k8s-await-election.publishes" .) (has (toString $told) (list "endpoints" "both")) -}}
true
{{- end -}}
{{- end }}

{{/* Whether the leader writes EndpointSlices: "true" or "". */}}
{{- define "k8s-await-election.publishes" -}}
{{- if and (eq (include "k8s-await-election.serviceMode" .) "slices") (include "k8s-await-election.servicePorts" . | fromJsonArray) -}}
true
{{- end -}}
{{- end }}
