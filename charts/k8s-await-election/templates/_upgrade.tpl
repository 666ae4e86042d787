{{/*
What an upgrade would break, as far as the cluster tells: where it is not asked (helm
template, and what renders by it) all is well here, and helm rollback renders
nothing.
*/}}
{{- define "k8s-await-election.upgradeMistakes" -}}
{{- $mistakes := list -}}
{{- if .Release.IsUpgrade -}}
{{- $lease := include "k8s-await-election.leaseName" . -}}
{{- $name := include "k8s-await-election.fullname" . -}}
{{- $selects := and (include "k8s-await-election.servicePorts" . | fromJsonArray) (not (include "k8s-await-election.publishes" .)) -}}
{{- range include "k8s-await-election.workloadsThere" . | fromJsonArray -}}
{{- if and .lease (ne .lease $lease) .runs -}}
{{- $mistakes = append $mistakes (printf "election.leaseName: %s leads by the Lease %q, and the new Pods would by the Lease %q, beside it. Keep the name (--set election.leaseName=%s), or end the old Pods before the upgrade. Example: %s" .what .lease $lease .lease .end) -}}
{{- end -}}
{{- if and $selects .runs (eq .service $name) -}}
{{- $mistakes = append $mistakes (printf "service.mode: the leader of %s writes the Service's EndpointSlices, and would write them again when they are deleted. End the old Pods before the upgrade. Example: %s" .what .end) -}}
{{- end -}}
{{- end -}}
{{- with lookup "v1" "Service" .Release.Namespace $name -}}
{{- $delete := printf "kubectl -n %s delete service %s" $.Release.Namespace $name -}}
{{- if and $selects (not .spec.selector) -}}
{{- $mistakes = append $mistakes (printf "service.mode: the Service %s has EndpointSlices that a leader wrote; nobody would empty them, and clients would be led there too. Delete it before the upgrade, which makes it anew. Example: %s" $name $delete) -}}
{{- end -}}
{{- if and .spec.selector (include "k8s-await-election.publishes" $) -}}
{{- $mistakes = append $mistakes (printf "service.mode: the Service %s selects Pods; without its selector the control plane would leave its EndpointSlices as they are, and clients would be led there too. Delete it before the upgrade, which makes it anew. Example: %s" $name $delete) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}

{{/*
The workloads of this release and chart that the cluster has, whatever they are
called, as a JSON list: what; lease and service, those of its Pods; runs, whether
there are Pods or are to be; end, the command that ends them. helm.sh/chart tells
several of these charts in one release apart.
*/}}
{{- define "k8s-await-election.workloadsThere" -}}
{{- $found := list -}}
{{- range $kind := list "Deployment" "StatefulSet" -}}
{{- range (lookup "apps/v1" $kind $.Release.Namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- if and (eq (get $labels "app.kubernetes.io/instance") $.Release.Name) (regexMatch (printf "^%s-[0-9]" (regexQuoteMeta $.Chart.Name)) (get $labels "helm.sh/chart")) -}}
{{- $variables := dict -}}
{{- range concat .spec.template.spec.containers (.spec.template.spec.initContainers | default list) -}}
{{- if has .name (list "app" "k8s-await-election") -}}
{{- range .env -}}
{{- $_ := set $variables .name (.value | default "") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $selector := list -}}
{{- range $key, $value := .spec.selector.matchLabels -}}
{{- $selector = append $selector (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- $what := printf "%s/%s" (lower $kind) .metadata.name -}}
{{- $found = append $found (dict
      "what" $what
      "lease" (get $variables "K8S_AWAIT_ELECTION_LOCK_NAME")
      "service" (get $variables "K8S_AWAIT_ELECTION_SERVICE_NAME")
      "runs" (include "k8s-await-election.runs" .)
      "end" (printf "kubectl -n %s scale %s --replicas=0 && kubectl -n %s wait pod -l %s --for=delete --timeout=5m" $.Release.Namespace $what $.Release.Namespace (join "," $selector))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/*
Whether a workload has Pods, or is to have: "true" or "". Its status leaves out
those that are about to end, whose app may go on for the grace period.
*/}}
{{- define "k8s-await-election.runs" -}}
{{- $runs := or (int .spec.replicas) (int .status.replicas) -}}
{{- if not $runs -}}
{{- $selector := .spec.selector.matchLabels -}}
{{- range (lookup "v1" "Pod" .metadata.namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $selected := not (has (.status).phase (list "Succeeded" "Failed")) -}}
{{- range $key, $value := $selector -}}
{{- $selected = and $selected (eq (get $labels $key) $value) -}}
{{- end -}}
{{- $runs = or $runs $selected -}}
{{- end -}}
{{- end -}}
{{- if $runs }}true{{ end -}}
{{- end }}
