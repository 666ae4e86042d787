{{/* A duration of the values in milliseconds: seconds, or a text with units, as the schema lets it through. */}}
{{- define "k8s-await-election.milliseconds" -}}
{{- $units := dict "ns" 0.000001 "us" 0.001 "µs" 0.001 "ms" 1.0 "s" 1000.0 "m" 60000.0 "h" 3600000.0 -}}
{{- $text := include "k8s-await-election.text" . -}}
{{- if regexMatch "^[0-9.]+$" $text -}}
{{- $text = printf "%ss" $text -}}
{{- end -}}
{{- $total := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ns|us|µs|ms|s|m|h)" $text -1 -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $total = addf $total (mulf (float64 $number) (get $units (trimPrefix $number .))) -}}
{{- end -}}
{{- printf "%f" $total -}}
{{- end }}

{{/*
What the gate itself would refuse of the durations of the lease, in every Pod; by
its rules, with its defaults.
*/}}
{{- define "k8s-await-election.durationMistakes" -}}
{{- $mistakes := list -}}
{{- $given := dict "leaseDuration" 15000.0 "renewDeadline" 0.0 "retryPeriod" 0.0 -}}
{{- range $key := list "leaseDuration" "renewDeadline" "retryPeriod" -}}
{{- with get $.Values.election $key -}}
{{- $_ := set $given $key (include "k8s-await-election.milliseconds" . | float64) -}}
{{- if le (get $given $key) 0.0 -}}
{{- $mistakes = append $mistakes (printf "election.%s is %s, and must be more than zero. Example: --set election.%s=%s" $key (include "k8s-await-election.text" .) $key (get (dict "leaseDuration" "15s" "renewDeadline" "" "retryPeriod" "") $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $lease := $given.leaseDuration -}}
{{- if $mistakes -}}
{{- else if or (lt $lease 1000.0) (gt $lease 2147483647000.0) -}}
{{- $mistakes = append $mistakes (printf "election.leaseDuration is %s, and a lease lasts a second at least, and 68 years at most. Example: --set election.leaseDuration=15s" (include "k8s-await-election.text" $.Values.election.leaseDuration)) -}}
{{- else -}}
{{- $latest := subf $lease (maxf (divf $lease 10) 500.0) -}}
{{- $renew := $given.renewDeadline -}}
{{- if eq $renew 0.0 -}}
{{- $renew = maxf (mulf $lease (divf 2 3)) (minf (mulf $given.retryPeriod 1.5) $latest) -}}
{{- end -}}
{{- if ge $renew $lease -}}
{{- $mistakes = append $mistakes (printf "election.renewDeadline is %s, and must be less than election.leaseDuration, or the leader would outlive its lease. Empty, it is 2/3 of the lease. Example: --set election.renewDeadline=" (include "k8s-await-election.text" $.Values.election.renewDeadline)) -}}
{{- else if ge (mulf $given.retryPeriod 1.2) $renew -}}
{{- $mistakes = append $mistakes (printf "election.retryPeriod is %s, and 1.2 times that must be less than election.renewDeadline, or there is no time for a second try. Empty, it is 2/15 of the lease. Example: --set election.retryPeriod=" (include "k8s-await-election.text" $.Values.election.retryPeriod)) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end }}

{{/* Whether the gate takes a text for the signal that ends the app: "true" or "". */}}
{{- define "k8s-await-election.isStopSignal" -}}
{{- $name := . | upper | trimPrefix "SIG" -}}
{{- if regexMatch "^0*([1-9]|1[0-6]|2[4-9]|[345][0-9]|6[0-4])$" . -}}
true
{{- else if regexMatch "^(HUP|INT|QUIT|ILL|TRAP|ABRT|IOT|BUS|FPE|KILL|USR1|SEGV|USR2|PIPE|ALRM|TERM|STKFLT|XCPU|XFSZ|VTALRM|PROF|WINCH|IO|POLL|PWR|SYS|(RTMIN|RTMAX)|(RTMIN[+]|RTMAX-)0*([0-9]|[12][0-9]|30))$" $name -}}
true
{{- end -}}
{{- end }}
