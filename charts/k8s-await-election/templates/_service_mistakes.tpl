{{- define "k8s-await-election.serviceMistakes" -}}
{{- $mistakes := list -}}
{{- $type := .Values.service.type | default "ClusterIP" -}}
{{- $names := list -}}
{{- range include "k8s-await-election.appPorts" . | fromJsonArray -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $known := ternary (printf "app.ports has %s" (join ", " $names)) "app.ports is empty" (not (empty $names)) -}}
{{- range $name, $port := .Values.service.ports -}}
{{- if not (or (kindIs "invalid" $port) (has $name $names)) -}}
{{- $mistakes = append $mistakes (printf "service.ports.%s: there is no such port of the app; %s. Example: --set service.ports.%s=null, or app.ports.%s: 8080" $name $known $name $name) -}}
{{- end -}}
{{- end -}}
{{- $taken := dict -}}
{{- range include "k8s-await-election.servicePorts" . | fromJsonArray -}}
{{- $number := printf "%d/%s" (int .port) .protocol -}}
{{- if hasKey $taken $number -}}
{{- $mistakes = append $mistakes (printf "service.ports.%s is %s, as service.ports.%s is. Give it another number, or leave it out. Example: --set service.ports.%s=false" .name $number (get $taken $number) .name) -}}
{{- end -}}
{{- $_ := set $taken $number .name -}}
{{- if and .nodePort (eq $type "ClusterIP") -}}
{{- $mistakes = append $mistakes (printf "service.ports.%s.nodePort goes with the types NodePort and LoadBalancer, and service.type is ClusterIP. Example: --set service.type=NodePort" .name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.service.headless (ne $type "ClusterIP") -}}
{{- $mistakes = append $mistakes (printf "service.headless goes with the type ClusterIP alone, and service.type is %s. Example: --set service.type=ClusterIP" $type) -}}
{{- end -}}
{{- range $name, $value := .Values.service.spec -}}
{{- $key := get (dict "type" "service.type" "ports" "app.ports" "selector" "service.mode" "ipFamilyPolicy" "service.ipFamilyPolicy") $name -}}
{{- if and (eq $name "clusterIP") (or $.Values.service.headless (eq (toString $value) "None")) -}}
{{- $key = "service.headless" -}}
{{- end -}}
{{- if and $key (not (kindIs "invalid" $value)) -}}
{{- $mistakes = append $mistakes (printf "service.spec.%s is refused: there is a key for it, %s. Example: --set service.spec.%s=null" $name $key $name) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}
