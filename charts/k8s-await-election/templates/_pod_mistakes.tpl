{{/* Of the Pods and what makes them. */}}
{{- define "k8s-await-election.podMistakes" -}}
{{- $mistakes := list -}}
{{- $stateful := eq .Values.kind "StatefulSet" -}}
{{- with .Values.nameOverride -}}
{{- if gt (len .) 58 -}}
{{- $mistakes = append $mistakes (printf "nameOverride has %d characters; it is in a label, which leaves it 58. Example: --set nameOverride=%s" (len .) (trunc 58 . | trimAll "-.")) -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- $mistakes = append $mistakes "serviceAccount.name is missing: none is made, and rights given to \"default\" would be those of every other Pod in the namespace. Example: --set serviceAccount.name=shop, or --set serviceAccount.create=true" -}}
{{- end -}}
{{- $types := ternary (list "RollingUpdate" "OnDelete") (list "RollingUpdate" "Recreate") $stateful -}}
{{- with (.Values.strategy | default dict).type -}}
{{- if not (has . $types) -}}
{{- $mistakes = append $mistakes (printf "strategy.type is %s, and a %s has %s. Example: --set strategy.type=RollingUpdate" . $.Values.kind (join " or " $types)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.volumeClaimTemplates (not $stateful) -}}
{{- $mistakes = append $mistakes "volumeClaimTemplates needs a StatefulSet. Example: --set kind=StatefulSet" -}}
{{- end -}}
{{- range $key, $containers := dict "extraContainers" .Values.extraContainers "extraInitContainers" .Values.extraInitContainers -}}
{{- range $containers -}}
{{- if has .name (list "app" "k8s-await-election") -}}
{{- $mistakes = append $mistakes (printf "%s: the name %s is that of a container of the chart. Choose another. Example: %s: [{name: %s-2, image: busybox}]" $key .name $key .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $keys := dict
      "containers" "extraContainers" "initContainers" "extraInitContainers" "volumes" "extraVolumes"
      "serviceAccountName" "serviceAccount.name" "serviceAccount" "serviceAccount.name" "imagePullSecrets" "imagePullSecrets"
      "securityContext" "podSecurityContext" "terminationGracePeriodSeconds" "terminationGracePeriodSeconds"
      "priorityClassName" "priorityClassName" "nodeSelector" "nodeSelector" "tolerations" "tolerations" "affinity" "affinity"
      "topologySpreadConstraints" "topologySpreadConstraints" -}}
{{- $fixed := dict
      "automountServiceAccountToken" "the chart mounts the token, into one container"
      "hostPID" "k8s-await-election has to be the first process of its container"
      "shareProcessNamespace" "k8s-await-election has to be the first process of its container"
      "restartPolicy" "the Pods of a workload are always restarted" -}}
{{- range $name, $value := .Values.podSpec -}}
{{- if kindIs "invalid" $value -}}
{{- else if hasKey $keys $name -}}
{{- $mistakes = append $mistakes (printf "podSpec.%s is refused: there is a key for it, %s. Example: --set podSpec.%s=null" $name (get $keys $name) $name) -}}
{{- else if hasKey $fixed $name -}}
{{- $mistakes = append $mistakes (printf "podSpec.%s is refused: %s. Example: --set podSpec.%s=null" $name (get $fixed $name) $name) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}
