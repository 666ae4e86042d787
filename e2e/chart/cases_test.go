package chart

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/version"
)

// row is one set of values that has to render, and to hold all invariants.
type row struct {
	name string
	input
	// restricted: the Pods meet the Pod Security Standard of that name.
	restricted bool
	// since is the first version of Kubernetes that takes it; empty: all do.
	since string
}

// rows are the files that come with the chart, and what people write that its
// author would not, as far as the API server of the tests is new enough.
func rows(t *testing.T) []row {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "ci", "*-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var found []row
	for _, file := range files {
		name := filepath.Base(file)
		found = append(found, row{name: name, input: input{files: []string{file}}, restricted: strings.Contains(name, "restricted")})
	}
	present := version.MustParseGeneric(kubeVersion)
	for _, row := range awkward {
		if row.since == "" || present.AtLeast(version.MustParseGeneric(row.since)) {
			found = append(found, row)
		}
	}
	return found
}

// twoValues are enough.
var twoValues = []string{"app.image.repository=redis", "app.command={redis-server,--port,6379}"}

// What TestTexts looks at more closely.
const (
	numbers = `
app:
  image: {repository: redis, tag: 8}
  command: [redis-server, --port, 6379, --appendonly, true, 12345678, 1.5, "0644", 0x1F]
  args: [1e3, false, 9007199254740991]
  env: {PORT: 6379, DEBUG: true, VERBOSE: false, BIG: 12345678901, RATIO: 0.25, NOTHING: ""}
`

	syntax = `
app:
  image: {repository: redis}
  command: [sh, -c, "exec \"$0\" '{{ .Values.app }}' $(HOSTNAME) $$(id) \t\n#x", "- a: b", "", " ", "ünïcödé ☃", "null", "~"]
  env:
    A_FIRST: base
    QUOTES: "\"'` + "`" + `"
    TEMPLATE: "{{ .Release.Name }}"
    REFERENCE: "$(A_FIRST)/x"
    ESCAPED: "$$(A_FIRST)"
    LINES: "a\nb\n"
    SNOWMAN: "☃"
    YAML: "a: [b, c]"
`

	digests = `
app:
  image: {registry: registry.example.org:5000, repository: team/redis, tag: "8", digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
  command: [redis-server]
gate:
  image: {registry: registry.example.org:5000, repository: gate, digest: "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", pullPolicy: Always}
`
)

// awkward stand beside the files in the folder ci, which are what people should
// write.
var awkward = []row{
	{name: "two values", input: input{set: twoValues}},
	{name: "numbers and booleans for texts", input: input{yaml: numbers}},
	{name: "texts that are a syntax somewhere", input: input{yaml: syntax}},
	{name: "a digest", input: input{yaml: digests}},
	{name: "a release name of 53 characters", input: input{release: strings.Repeat("a", 53), yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
`}},
	{name: "a release name of 53 characters and a StatefulSet", input: input{release: strings.Repeat("a", 51) + "-b", yaml: `
kind: StatefulSet
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
`}},
	{name: "a release name with dots", input: input{release: "shop.eu.v2", yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
`}},
	{name: "a release and a namespace whose names are numbers", since: "1.36", input: input{release: "1234", namespace: "5e3", yaml: `
app: {image: {repository: redis}, command: [redis-server]}
`}},
	{name: "nameOverride", input: input{yaml: `
nameOverride: cache
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
`}},
	{name: "fullnameOverride of great length", input: input{yaml: `
fullnameOverride: ` + strings.Repeat("b", 63) + `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
`}},
	{name: "ports of all protocols", input: input{yaml: `
app:
  image: {repository: coredns}
  command: [/coredns]
  ports:
    dns: {containerPort: 53, protocol: UDP}
    dns-tcp: 53
    sig: {containerPort: 2905, protocol: SCTP}
    web: {containerPort: 8080, appProtocol: kubernetes.io/h2c}
service:
  ports: {dns-tcp: 5353, web: {port: 80}, sig: false}
`}},
	{name: "probes by HTTP with a named port", input: input{yaml: `
app:
  image: {repository: nginx}
  command: [nginx, -g, daemon off;]
  env: {SET: expanded}
  ports: {http: 8080}
  stopSignal: QUIT
  probes:
    liveness: {httpGet: {path: "/health?a=1&b=<2>", port: http, httpHeaders: [{name: X-Count, value: 3}]}, timeoutSeconds: 4, periodSeconds: 7, failureThreshold: 5}
    readiness: {httpGet: {path: /, port: 8080, scheme: HTTPS, host: 127.0.0.1}, successThreshold: 2, initialDelaySeconds: 3}
    startup: {httpGet: {path: "/$(SET)/$$/$(NOT)", port: "8080"}, failureThreshold: 30, timeoutSeconds: 9, terminationGracePeriodSeconds: 10}
`}},
	{name: "probes by TCP, a command and gRPC", input: input{yaml: `
app:
  image: {repository: redis}
  command: [redis-server]
  env: {SECRET: "s3c\"r\\et\n$(A)"}
  ports: {redis: 6379, grpc: 9000}
  probes:
    liveness: {tcpSocket: {port: redis}}
    readiness: {exec: {command: [redis-cli, -a, $(SECRET), $$(SECRET), $$, -p, 6379, ping]}, periodSeconds: 1}
    startup: {grpc: {port: grpc, service: up}, periodSeconds: 1}
`}},
	{name: "a StatefulSet with volumes of its own", input: input{yaml: `
kind: StatefulSet
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
strategy: {type: OnDelete}
extraVolumeMounts: [{name: data, mountPath: /data}]
volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`}},
	{name: "a headless Service", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
service: {headless: true, ipFamilyPolicy: PreferDualStack, annotations: {a: b}}
`}},
	{name: "a Service of type LoadBalancer", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
service: {type: LoadBalancer, ports: {redis: {port: 16379, nodePort: 30379}}}
`}},
	{name: "more fields of Pods and Service", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
minReadySeconds: 7
podSpec:
  runtimeClassName: gvisor
  dnsPolicy: None
  dnsConfig: {nameservers: [10.0.0.10], options: [{name: ndots, value: "2"}]}
  hostAliases: [{ip: 10.0.0.1, hostnames: [db]}]
  enableServiceLinks: false
  hostname: null
service:
  type: LoadBalancer
  labels: {pool: internal, a: null}
  spec: {loadBalancerClass: example.org/lb, loadBalancerSourceRanges: [10.0.0.0/8], externalTrafficPolicy: Local, sessionAffinity: ClientIP, clusterIP: null}
podDisruptionBudget: {maxUnavailable: "1"}
`}},
	{name: "no Service", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
service: {enabled: false}
`}},
	{name: "a Pod label in place of slices", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
service: {mode: podLabel}
`}},
	{name: "somebody else's ServiceAccount and Role", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
serviceAccount: {create: false, name: shop-runner}
rbac: {create: false}
`}},
	{name: "somebody else's ServiceAccount", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server]}
serviceAccount: {create: false, name: shop-runner}
`}},
	{name: "extra everything", input: input{yaml: `
app:
  image: {repository: redis, pullPolicy: IfNotPresent}
  command: [redis-server]
  args: [/etc/redis.conf]
  ports: {redis: 6379}
  workingDir: /data
  resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 1Gi}}
  envFrom: [{secretRef: {name: redis}}, {configMapRef: {name: redis, optional: true}, prefix: C_}]
  env:
    PASSWORD: {valueFrom: {secretKeyRef: {name: redis, key: password}}}
    CPU: {valueFrom: {resourceFieldRef: {containerName: app, resource: limits.cpu}}}
    ZONE: {valueFrom: {fieldRef: {fieldPath: "metadata.labels['zone']"}}}
replicas: 3
commonLabels: {team: shop, cost-centre: "4711"}
podLabels: {zone: a}
podAnnotations: {example.org/a: "1"}
imagePullSecrets: [one, {name: two}]
podSecurityContext: {fsGroup: 999}
strategy: {type: Recreate}
terminationGracePeriodSeconds: 120
nodeSelector: {kubernetes.io/os: linux, disk: ssd}
tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
topologySpreadConstraints: [{maxSkew: 2, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}]
priorityClassName: high
election: {leaseName: other, leaseDuration: 3, renewDeadline: 2s, retryPeriod: 400ms, onLost: standby}
gate:
  mountPath: /opt/gate/
  log: {level: debug, format: json}
  statusPort: 19999
  extraEnv: {K8S_AWAIT_ELECTION_SERVICE_PUBLISH: both, K8S_AWAIT_ELECTION_STOP_TIMEOUT: 115, K8S_AWAIT_ELECTION_IDENTITY: null}
extraVolumes: [{name: conf, configMap: {name: redis}}, {name: scratch, emptyDir: {}}]
extraVolumeMounts: [{name: conf, mountPath: /etc/redis}]
extraInitContainers: [{name: prepare, image: busybox, command: ["true"], volumeMounts: [{name: scratch, mountPath: /s}]}]
extraContainers: [{name: exporter, image: exporter, ports: [{name: metrics, containerPort: 9121}]}]
extraObjects:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: "{{ .Release.Name }}-extra"}
    data: {release: "{{ .Release.Name }}"}
  - |
    apiVersion: v1
    kind: Secret
    metadata:
      name: {{ .Release.Name }}-text
    stringData: {a: b}
`}},
	{name: "all that watches and limits", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
podMonitor: {enabled: true, labels: {release: prometheus}, interval: 30s, scrapeTimeout: 10s, relabelings: [{action: drop, sourceLabels: [a], regex: b}], metricRelabelings: [{action: keep, sourceLabels: [__name__], regex: k8s_await.*}]}
grafanaDashboard: {enabled: true, annotations: {folder: shop}}
networkPolicy: {enabled: true, ingress: {from: [{podSelector: {}}], statusFrom: [{namespaceSelector: {}}]}, egress: {enabled: true, apiServer: [{ipBlock: {cidr: 10.0.0.1/32}}]}}
podDisruptionBudget: {maxUnavailable: 50%}
`}},
	{name: "no budget, no test, nobody's replicas", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server]}
replicas: null
podDisruptionBudget: {enabled: false}
helmTest: {enabled: false}
nodeSelector: {}
topologySpreadConstraints: []
`}},
	{name: "the gate baked into the image", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server]}
gate: {delivery: baked}
`}},
	{name: "a grace period of three seconds", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server]}
terminationGracePeriodSeconds: 3
`}},
	{name: "root that drops to a user, as redis' image does", input: input{yaml: `
app:
  image: {repository: redis}
  command: [docker-entrypoint.sh, redis-server]
  securityContext: {runAsUser: 0, capabilities: {drop: [ALL], add: [CHOWN, SETUID, SETGID, KILL]}}
podSecurityContext: {runAsUser: 0}
`}},
	{name: "a user and a root file system that cannot be written", restricted: true, input: input{yaml: `
app:
  image: {repository: redis}
  command: [redis-server]
  ports: {redis: 6379}
  securityContext: {runAsUser: 999, runAsNonRoot: true, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
`}},
	{name: "restricted by the security context of the Pod", restricted: true, input: input{yaml: `
kind: StatefulSet
app:
  image: {repository: redis}
  command: [redis-server]
  ports: {redis: 6379}
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
podSecurityContext: {runAsUser: 999, runAsNonRoot: true, fsGroup: 999, seccompProfile: {type: RuntimeDefault}}
service: {mode: podLabel}
`}},
	{name: "a label of the Pods beside slices", input: input{yaml: `
app: {image: {repository: redis}, command: [redis-server], ports: {redis: 6379}}
election: {podLabel: example.org/role}
`}},
	{name: "a sidecar and a command", input: input{set: append(slices.Clone(twoValues), "mode=sidecar", "app.ports.redis=6379")}},
	{name: "a sidecar that is asked for arguments, and variables of the app's own", input: input{yaml: `
mode: sidecar
app:
  image: {repository: redis}
  args: [--port, 6379]
  env: {ELECTION_URL: "http://127.0.0.1:9999", ELECTION_FILE: null}
sidecar: {statusFile: /run/election/leader}
`}},
	{name: "a sidecar with probes of all kinds", input: input{yaml: `
mode: sidecar
app:
  image: {repository: redis}
  ports: {http: 8080, grpc: 9000}
  probes:
    liveness: {httpGet: {path: "/$(A)/$$", port: http, httpHeaders: [{name: X-Count, value: 3}]}, initialDelaySeconds: 9}
    readiness: {exec: {command: [redis-cli, -p, 6379, "$(A)"]}, successThreshold: 2}
    startup: {grpc: {port: grpc}, terminationGracePeriodSeconds: 3}
service: {headless: true}
`}},
	{name: "a sidecar with leader-elector's directory and label, in a StatefulSet", restricted: true, input: input{yaml: `
mode: sidecar
kind: StatefulSet
app:
  image: {repository: redis}
  ports: {redis: 6379}
  lifecycle: {postStart: {exec: {command: ["true"]}}}
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
podSecurityContext: {runAsUser: 999, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
election: {podLabel: role=leader/follower, onLost: exit}
sidecar: {statusDir: /tmp/leader_status/, statusFileExpiry: true}
service: {mode: podLabel, type: NodePort}
gate: {statusPort: 4040, extraEnv: {K8S_AWAIT_ELECTION_IDENTITY: null, A: 1}}
extraVolumes: [{name: scratch, emptyDir: {}}]
extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
extraInitContainers: [{name: prepare, image: busybox, volumeMounts: [{name: scratch, mountPath: /s}], securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
extraContainers: [{name: exporter, image: exporter, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
podMonitor: {enabled: true}
networkPolicy: {enabled: true}
`}},
	{name: "a sidecar in a Pod that is root", input: input{yaml: `
mode: sidecar
app: {image: {repository: redis}, securityContext: {capabilities: {drop: [ALL]}}}
podSecurityContext: {runAsUser: 0}
election: {podLabel: role}
`}},
	{name: "nulls that take defaults out", input: input{yaml: `
app:
  image: {repository: redis}
  command: [redis-server]
  env: {A: null}
  ports: {redis: null, http: {containerPort: 80, protocol: null, appProtocol: null}}
  probes: {liveness: null}
service: {type: NodePort, ports: {http: {port: null, nodePort: null}}}
commonLabels: {a: null}
affinity: null
tolerations: null
nodeSelector: {kubernetes.io/os: null}
`}},
}

// ciFile is the one of that name in the folder ci.
func ciFile(name string) []string {
	return []string{filepath.Join(folder, "ci", name+"-values.yaml")}
}

// eachGated is eachRow for those that have a gate.
func eachGated(t *testing.T, check func(*testing.T, row, *rendering)) {
	t.Helper()
	eachRow(t, func(t *testing.T, row row, r *rendering) {
		if workloadOf(t, r).isGated() {
			check(t, row, r)
		}
	})
}

// eachRow renders each row in a test of its own.
func eachRow(t *testing.T, check func(*testing.T, row, *rendering)) {
	t.Helper()
	for _, row := range rows(t) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			check(t, row, render(t, row.input))
		})
	}
}
