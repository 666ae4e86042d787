{{/*
What the schema cannot say in a sentence. All mistakes are told at once.
*/}}
{{- define "k8s-await-election.refuseMistakes" -}}
{{- with include "k8s-await-election.mistakes" . | fromJsonArray }}
{{- fail (printf "\n\n- %s\n" (join "\n- " .)) }}
{{- end }}
{{- end }}

{{- define "k8s-await-election.mistakes" -}}
{{- $app := .Values.app -}}
{{- $mistakes := list -}}
{{- if not $app.image.repository -}}
{{- $mistakes = append $mistakes "app.image.repository is missing: it names the app's image. Example: --set app.image.repository=redis" -}}
{{- end -}}
{{- $name := include "k8s-await-election.fullname" . -}}
{{- if and (regexMatch "^[0-9]" $name) (semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version) -}}
{{- $mistakes = append $mistakes (printf "fullnameOverride: the objects would be called %s, and before Kubernetes 1.36 (this is %s) the name of a Service begins with a letter. Example: --set fullnameOverride=app-%s" $name .Capabilities.KubeVersion.Version $name) -}}
{{- end -}}
{{- $first := ternary "the gate has to be the first process of its container, or a killed gate leaves the app running" "the sidecar has to be the first process of its container, or, started again, it would not know its own lease" (eq (include "k8s-await-election.gated" .) "true") -}}
{{- if .Values.shareProcessNamespace -}}
{{- $mistakes = append $mistakes (printf "shareProcessNamespace is refused: %s. Leave it out, and look into the container with kubectl debug. Example: --set shareProcessNamespace=false" $first) -}}
{{- end -}}
{{- if .Values.hostPID -}}
{{- $mistakes = append $mistakes (printf "hostPID is refused: %s. Example: --set hostPID=false" $first) -}}
{{- end -}}
{{- $mistakes = concat $mistakes (include (ternary "k8s-await-election.gateMistakes" "k8s-await-election.sidecarMistakes" (eq (include "k8s-await-election.gated" .) "true")) . | fromJsonArray) -}}

{{- $ports := include "k8s-await-election.appPorts" . | fromJsonArray -}}
{{- $status := int .Values.gate.statusPort -}}
{{- $names := list -}}
{{- $taken := dict -}}
{{- range $ports -}}
{{- $names = append $names .name -}}
{{- $number := printf "%d/%s" (int .containerPort) .protocol -}}
{{- if or (not (regexMatch "^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$" .name)) (not (regexMatch "[a-z]" .name)) (contains "--" .name) -}}
{{- $mistakes = append $mistakes (printf "app.ports.%s: the name of a port has up to 15 lower-case letters, digits and single hyphens inside, and needs a letter. Example: app.ports.http: %d" .name (int .containerPort)) -}}
{{- end -}}
{{- if eq .name "gate-status" -}}
{{- $mistakes = append $mistakes "app.ports.gate-status: this is the name of the gate's own port. Example: app.ports.status: 8080" -}}
{{- end -}}
{{- if and (eq (int .containerPort) $status) (eq .protocol "TCP") -}}
{{- $mistakes = append $mistakes (printf "app.ports.%s is %d, where the gate listens for probes (gate.statusPort). Move the gate. Example: --set gate.statusPort=%d" .name $status (ternary (sub $status 1) (add1 $status) (gt $status 1024))) -}}
{{- end -}}
{{- if hasKey $taken $number -}}
{{- $mistakes = append $mistakes (printf "app.ports.%s is %s, as app.ports.%s is. Leave one of them out. Example: --set app.ports.%s=null" .name $number (get $taken $number) .name) -}}
{{- end -}}
{{- $_ := set $taken $number .name -}}
{{- end -}}
{{- $known := ternary (printf "app.ports has %s" (join ", " $names)) "app.ports is empty" (not (empty $names)) -}}
{{- range $kind, $probe := $app.probes -}}
{{- $handlers := 0 -}}
{{- range $handler := list "exec" "httpGet" "tcpSocket" "grpc" -}}
{{- with get ($probe | default dict) $handler -}}
{{- $handlers = add1 $handlers -}}
{{- if ne $handler "exec" -}}
{{- $port := include "k8s-await-election.text" .port -}}
{{- if and (regexMatch "^[0-9]+$" $port) (or (lt (float64 $port) 1.0) (gt (float64 $port) 65535.0)) -}}
{{- $mistakes = append $mistakes (printf "app.probes.%s.%s.port is %s, and a port is from 1 to 65535. Example: --set app.probes.%s.%s.port=8080" $kind $handler $port $kind $handler) -}}
{{- else if not (or (regexMatch "^[0-9]+$" $port) (has $port $names)) -}}
{{- $mistakes = append $mistakes (printf "app.probes.%s.%s.port: there is no port %q of the app; %s. Example: app.ports.%s: 8080, or the number itself" $kind $handler $port $known $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $probe (ne (int $handlers) 1) -}}
{{- $mistakes = append $mistakes (printf "app.probes.%s must have exactly one of exec, httpGet, tcpSocket and grpc, and has %d. Example: app.probes.%s.tcpSocket.port: 6379" $kind (int $handlers) $kind) -}}
{{- end -}}
{{- if and (ne $kind "readiness") (gt (int ($probe | default dict).successThreshold) 1) -}}
{{- $mistakes = append $mistakes (printf "app.probes.%s.successThreshold must be 1: Kubernetes takes no other for this kind of probe. Example: --set app.probes.%s.successThreshold=1" $kind $kind) -}}
{{- end -}}
{{- if and (eq $kind "readiness") (($probe | default dict).terminationGracePeriodSeconds) -}}
{{- $mistakes = append $mistakes "app.probes.readiness.terminationGracePeriodSeconds: Kubernetes takes it for liveness and startup probes alone. Example: --set app.probes.readiness.terminationGracePeriodSeconds=null" -}}
{{- end -}}
{{- end -}}

{{- $mistakes = concat $mistakes
      (include "k8s-await-election.envMistakes" . | fromJsonArray)
      (include "k8s-await-election.durationMistakes" . | fromJsonArray)
      (include "k8s-await-election.podMistakes" . | fromJsonArray)
      (include "k8s-await-election.serviceMistakes" . | fromJsonArray)
      (include "k8s-await-election.upgradeMistakes" . | fromJsonArray) -}}
{{- with include "k8s-await-election.roleLabel" . -}}
{{- $label := include "k8s-await-election.roleLabelParts" $ | fromJson -}}
{{- if eq $label.leader $label.standby -}}
{{- $mistakes = append $mistakes (printf "election.podLabel says %q on the leader and on the others. Example: --set election.podLabel=%s=leader/standby" $label.leader $label.key) -}}
{{- end -}}
{{- range $where, $labels := dict "podLabels" $.Values.podLabels "commonLabels" $.Values.commonLabels "the chart" (include "k8s-await-election.selectorLabels" $ | fromYaml) -}}
{{- if get ($labels | default dict) $label.key -}}
{{- $mistakes = append $mistakes (printf "election.podLabel: every Pod has the label %s already, from %s. Choose another. Example: --set election.podLabel=example.org/role" $label.key $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}

{{- define "k8s-await-election.gateMistakes" -}}
{{- $app := .Values.app -}}
{{- $mistakes := list -}}
{{- if not (first ($app.command | default (list ""))) -}}
{{- $mistakes = append $mistakes (printf "app.command is missing: a Pod that sets a command loses the image's ENTRYPOINT and CMD, and the gate is set as its command; so write out what \"docker image inspect %s\" shows of both. Example: --set 'app.command={redis-server,--port,6379}'" ($app.image.repository | default "IMAGE")) -}}
{{- end -}}
{{- if $app.lifecycle -}}
{{- $mistakes = append $mistakes "app.lifecycle is refused: its hooks would run on standbys too, where the app does not run. Put what postStart does into app.command, and instead of preStop name the signal that ends the app. Example: --set app.lifecycle=null --set app.stopSignal=QUIT" -}}
{{- end -}}
{{- $mount := clean .Values.gate.mountPath -}}
{{- if regexMatch "^/(proc|sys|dev|etc|bin|sbin|lib|lib64|usr)?$" $mount -}}
{{- $mistakes = append $mistakes (printf "gate.mountPath is %s, which the volume would hide from the app. Example: --set gate.mountPath=/gate" $mount) -}}
{{- end -}}
{{- if include "k8s-await-election.cannotKill" . -}}
{{- $mistakes = append $mistakes "app.securityContext.capabilities drops KILL from a container that runs as root: when the app has changed to another user, the gate could not end it. Add KILL, or run as that user from the start. Example: --set 'app.securityContext.capabilities.add={KILL}', or --set app.securityContext.runAsUser=999" -}}
{{- end -}}
{{- if eq (include "k8s-await-election.serviceMode" .) "all" -}}
{{- $mistakes = append $mistakes "service.mode all goes with the mode sidecar: behind the gate the app runs on the leader alone, and the standbys would get their share of the clients. Example: --set service.mode=slices" -}}
{{- end -}}
{{- range $key, $value := .Values.sidecar -}}
{{- if $value -}}
{{- $mistakes = append $mistakes (printf "sidecar.%s goes with the mode sidecar: behind the gate the app runs on the leader alone, and need not ask. Example: --set mode=sidecar" $key) -}}
{{- end -}}
{{- end -}}
{{- with $app.stopSignal -}}
{{- $signal := include "k8s-await-election.text" . -}}
{{- if not (include "k8s-await-election.isStopSignal" $signal) -}}
{{- $mistakes = append $mistakes (printf "app.stopSignal is %s, which is no signal that ends a command. Example: --set app.stopSignal=QUIT" $signal) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}

{{- define "k8s-await-election.sidecarMistakes" -}}
{{- $mistakes := list -}}
{{- with .Values.app.stopSignal -}}
{{- $mistakes = append $mistakes "app.stopSignal goes with the mode gate: beside a sidecar the kubelet ends the app, by the STOPSIGNAL of its image. Example: --set app.stopSignal=" -}}
{{- end -}}
{{- if eq .Values.gate.delivery "baked" -}}
{{- $mistakes = append $mistakes "gate.delivery baked goes with the mode gate: the sidecar is a container of its own, of gate.image. Example: --set gate.delivery=initContainer" -}}
{{- end -}}
{{- if eq (include "k8s-await-election.serviceMode" .) "slices" -}}
{{- $mistakes = append $mistakes "service.mode slices goes with the mode gate: the sidecar does not know when the app is ready. The Service can lead to the leader by the label of its Pod, or to all Pods. Example: --set service.mode=podLabel" -}}
{{- end -}}
{{- with .Values.sidecar -}}
{{- if and .statusFile .statusDir -}}
{{- $mistakes = append $mistakes "sidecar.statusDir and sidecar.statusFile say the same in two forms. Leave one of them out. Example: --set sidecar.statusDir=" -}}
{{- end -}}
{{- if and .statusFile (or (not (isAbs .statusFile)) (ne (clean .statusFile) .statusFile) (eq (dir .statusFile) "/")) -}}
{{- $mistakes = append $mistakes "sidecar.statusFile must be the full path of a file in a folder of its own, which becomes a volume. Example: --set sidecar.statusFile=/run/election/leader" -}}
{{- end -}}
{{- if and .statusDir (or (not (isAbs .statusDir)) (eq (clean .statusDir) "/")) -}}
{{- $mistakes = append $mistakes "sidecar.statusDir must be the full path of a folder of its own, which becomes a volume. Example: --set sidecar.statusDir=/run/election" -}}
{{- end -}}
{{- if and .statusFileExpiry (not .statusFile) (not .statusDir) -}}
{{- $mistakes = append $mistakes "sidecar.statusFileExpiry is about a file, and there is none. Example: --set sidecar.statusFile=/run/election/leader" -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}

{{/*
"true" where the gate would be root without the right to kill processes of other
users. Where the user is the image's, and so unknown, an app that may change its
user (SETUID) tells.
*/}}
{{- define "k8s-await-election.cannotKill" -}}
{{- $pod := .Values.podSecurityContext | default dict -}}
{{- $own := .Values.app.securityContext | default dict -}}
{{- $capabilities := dict "add" list "drop" list -}}
{{- range $list := list "add" "drop" -}}
{{- range index ($own.capabilities | default dict) $list -}}
{{- $_ := set $capabilities $list (append (get $capabilities $list) (. | toString | upper | trimPrefix "CAP_")) -}}
{{- end -}}
{{- end -}}
{{- $dropped := or (has "ALL" $capabilities.drop) (has "KILL" $capabilities.drop) -}}
{{- $added := or (has "ALL" $capabilities.add) (has "KILL" $capabilities.add) -}}
{{- $uid := include "k8s-await-election.uid" (ternary $pod $own (kindIs "invalid" (index $own "runAsUser"))) -}}
{{- $nonRoot := ternary $pod.runAsNonRoot $own.runAsNonRoot (kindIs "invalid" (index $own "runAsNonRoot")) -}}
{{- $perhapsRoot := and (eq $uid "") (not $nonRoot) (has "SETUID" $capabilities.add) -}}
{{- if and $dropped (not $added) (not $own.privileged) (or (eq $uid "0") $perhapsRoot) -}}
true
{{- end -}}
{{- end }}
